// The reader's place in a long chat: what is put before it does not move it.
(() => {
  "use strict";
  let held = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id !== "earlier") return;
    const turn = document.querySelector("#turns > .turn");
    held = { turn, top: turn.getBoundingClientRect().top };
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!held) return;
    window.scrollBy({ top: held.turn.getBoundingClientRect().top - held.top, behavior: "instant" });
    document.querySelector("#earlier a")?.focus({ preventScroll: true });
    held = null;
  });
})();

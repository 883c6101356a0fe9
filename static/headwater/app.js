// What htmx and the browser do not do by themselves: keys, what is chosen, and words for what went wrong.
(() => {
  "use strict";
  document.documentElement.classList.add("scripted");
  const composer = () => document.getElementById("composer");
  const toBottom = () => window.scrollTo({ top: document.body.scrollHeight });

  // Where there are keys, one may write at once. On a phone the page stays where it is, without a keyboard over it.
  if (matchMedia("(pointer: fine)").matches) document.querySelector("[data-focus]")?.focus({ preventScroll: true });

  // Enter sends, Shift+Enter makes a new line; Escape stops the answer, or closes the documents.
  document.addEventListener("keydown", (event) => {
    if (event.target.id === "text" && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      composer().requestSubmit();
    }
    if (event.key === "Escape") {
      const stop = document.querySelector(".answer-writing .stop");
      const close = document.querySelector("[data-close-panel]");
      (stop || close)?.click();
    }
  });

  // A long answer has a thousand spans: one listener serves them all, where htmx would need one for each.
  const showDocuments = (event, span) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    htmx.ajax("GET", span.getAttribute("href"), { source: span, event }).catch(() => {}); // said by the toast
  };

  document.addEventListener("click", (event) => {
    const span = event.target.closest("a.span");
    if (span) {
      document.querySelectorAll("a.span.chosen").forEach((other) => other.classList.remove("chosen"));
      document.querySelectorAll(`a.span[href="${span.getAttribute("href")}"]`).forEach((part) => part.classList.add("chosen"));
      showDocuments(event, span);
    }
    const close = event.target.closest("[data-close-panel]");
    if (close) {
      close.closest(".documents")?.replaceChildren();
      document.querySelector("a.span.chosen")?.focus();
    }
  });

  // Sliders say what they are set to, and a list that has a page to show shows it when one is chosen.
  const sayValue = (slider) => {
    const output = slider.form.querySelector(`output[for="${slider.id}"]`);
    if (!output) return;
    const all = slider.name === "density" && slider.form.elements.all?.checked;
    const value = "inverse" in slider.dataset ? Math.round(1 / slider.value) : slider.value;
    output.textContent = all ? "all of them" : slider.dataset.words.replace("#", value);
  };
  const sayValues = (root) => root.querySelectorAll?.("[data-lighting] input[type=range]").forEach(sayValue);
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("[data-lighting]");
    if (!form) return;
    if (event.target.name === "density") form.elements.all.checked = false;
    sayValues(form.parentElement);
  });
  document.addEventListener("change", (event) => {
    if ("submits" in event.target.dataset) event.target.form.requestSubmit();
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      say(button.dataset.copied || "The link is copied.");
    } catch {
      say("The link is selected: copy it with your keyboard.");
    }
  });
  document.addEventListener("htmx:load", (event) => sayValues(event.target));

  // A sent message leaves the box; a refused one stays in it.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id === "composer") document.getElementById("refusal").replaceChildren();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.target.id !== "composer") return;
    if (event.detail.xhr.status < 400) {
      document.getElementById("text").value = "";
      toBottom();
    }
    document.getElementById("text").focus();
  });

  // A filter that was chosen by keyboard keeps the focus, though its panel is another one now.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (!event.detail.requestConfig?.elt.classList.contains("choice")) return;
    (event.target.querySelector(".choice[aria-current]") || event.target.querySelector(".filters summary"))?.focus();
  });

  // The documents of a span come into view where they stand below the answer.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.classList?.contains("documents") && matchMedia("(max-width: 1180px)").matches) {
      event.target.firstElementChild?.scrollIntoView({ block: "nearest" });
    }
  });

  const say = (text) => {
    const toast = document.getElementById("toast");
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => { toast.hidden = true; }, 6000);
  };
  document.addEventListener("htmx:sendError", () => say("Headwater does not answer. Your text is still in the box; try again in a moment."));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 429) return say(event.detail.xhr.responseText);
    say(status === 413 || status === 400 ? "That message is too large or malformed; nothing was sent." : `Something went wrong (${status}). Nothing was lost; try again.`);
  });

  if (document.querySelector(".turns .turn") && !document.getElementById(location.hash.slice(1))) toBottom();
})();

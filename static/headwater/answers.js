// In answers: code is copied, and one key opens or closes all the thinking.
(() => {
  "use strict";
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy-code");
    if (!button) return;
    const code = button.parentElement.querySelector("pre");
    try {
      await navigator.clipboard.writeText(code.textContent.replace(/\n$/, ""));
      button.dataset.done = "";
      setTimeout(() => delete button.dataset.done, 1500);
    } catch {
      getSelection().selectAllChildren(code); // refused by the browser: selected, to be copied by hand
    }
  });

  // The answer's own text, without its thinking, as the server has it.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-copy-text]");
    if (!link) return;
    event.preventDefault();
    const words = link.textContent;
    try {
      const response = await fetch(link.href);
      if (!response.ok) throw new Error(String(response.status));
      await navigator.clipboard.writeText(await response.text());
      link.textContent = "Copied";
      setTimeout(() => { link.textContent = words; }, 1500);
    } catch {
      location.assign(link.href);
    }
  });

  // T opens all the thinking, or closes it; with Alt also while one writes. The page remembers which. T alone
  // can be switched off, and does nothing on pages without the switch: a spoken word may press letters.
  const KEY = "headwater-thinking";
  const boxes = (root) => [...root.querySelectorAll("details.thinking")];
  const wanted = () => {
    try { return localStorage.getItem(KEY) === "open"; } catch { return false; }
  };
  const writes = (element) => element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
  document.addEventListener("keydown", (event) => {
    if (event.code !== "KeyT" || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!event.altKey && (writes(event.target) || !listens())) return;
    if (!boxes(document).length) return;
    event.preventDefault();
    const open = boxes(document).some((box) => !box.open);
    boxes(document).forEach((box) => { box.open = open; });
    try { localStorage.setItem(KEY, open ? "open" : "closed"); } catch { /* only this page, then */ }
  });
  const SWITCH = "headwater-thinking-key";
  const switches = (root) => root.querySelectorAll("[data-thinking-key]");
  const isOn = () => {
    try { return localStorage.getItem(SWITCH) !== "off"; } catch { return true; }
  };
  const listens = () => Boolean(switches(document).length) && isOn();
  const setSwitches = (root) => switches(root).forEach((box) => { box.checked = isOn(); });
  document.addEventListener("change", ({ target }) => {
    if (!("thinkingKey" in target.dataset)) return;
    try { localStorage.setItem(SWITCH, target.checked ? "on" : "off"); } catch { /* as it was, then */ }
    setSwitches(document);
  });
  setSwitches(document);

  const openNew = (root) => {
    if (wanted()) boxes(root).forEach((box) => { box.open = true; });
  };
  document.addEventListener("htmx:load", (event) => {
    if (event.target === document.body || !event.target.querySelectorAll) return;
    openNew(event.target);
    setSwitches(event.target);
  });
  openNew(document);
})();

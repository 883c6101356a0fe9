// The composer: its settings follow the model that is chosen.
(() => {
  "use strict";
  // The longest answer stays within what the chosen model allows.
  const keepWithin = (bounds) => {
    const field = bounds.closest("form")?.elements.max_tokens;
    if (!field) return;
    field.max = bounds.dataset.maxTokens;
    if (Number(field.value) > Number(field.max)) field.value = field.max;
  };

  document.addEventListener("htmx:load", (event) => {
    const bounds = event.target.closest?.("#model-bounds") || event.target.querySelector?.("#model-bounds");
    if (bounds) keepWithin(bounds);
    const { model } = event.target.dataset || {};
    const select = document.getElementById("model");
    if (model && event.target.id === "settings-fields" && [...select.options].some((option) => option.value === model)) select.value = model;
  });

  // Enter in a setting never sends the message.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT" || !event.target.closest(".settings-fields")) return;
    event.preventDefault();
    const button = event.target.dataset.enter;
    if (button) document.getElementById(button).click();
  });

  // Files are chosen, dropped or pasted; what is sent leaves the box.
  const attach = (files) => {
    const field = document.getElementById("attach");
    if (!field || !files?.length) return false;
    field.files = files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  };
  const composerAt = (target) => target.closest?.("#composer");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const composer = composerAt(event.target);
      if (!composer || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      composer.classList.toggle("over", kind === "dragover");
      if (kind === "drop") attach(event.dataTransfer.files);
    });
  }
  document.addEventListener("paste", (event) => {
    if (composerAt(event.target) && attach(event.clipboardData?.files)) event.preventDefault();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const sent = event.detail.xhr && event.detail.xhr.status < 400;
    if (event.target.id === "attach") event.target.value = "";
    if (event.target.id === "composer" && sent) document.getElementById("files")?.replaceChildren();
  });

  // Code comes in a dialog of its own.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "code-dialog" && !event.target.open) event.target.showModal();
  });

  // A click beside the open settings, or Escape in them, closes them.
  const openSettings = () => document.querySelector("details.settings[open]");
  document.addEventListener("click", (event) => {
    const box = openSettings();
    if (box && event.target.isConnected && !box.contains(event.target)) box.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const box = openSettings();
    if (event.key !== "Escape" || !box?.contains(document.activeElement)) return;
    event.stopPropagation();
    box.open = false;
    box.querySelector("summary").focus();
  }, true);
})();

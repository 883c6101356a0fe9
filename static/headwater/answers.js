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
})();

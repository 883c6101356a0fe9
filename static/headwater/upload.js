// Uploads show how far they are. Without this file the form is sent as any other is.
(() => {
  "use strict";
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const bar = form.querySelector("progress");
  const button = form.querySelector("button");
  const drop = form.querySelector(".drop");

  const show = (page) => {
    const fresh = new DOMParser().parseFromString(page, "text/html").querySelector("form[data-upload]");
    const refusal = fresh?.querySelector("[role=alert]");
    form.querySelector("[role=alert]")?.remove();
    drop.before(refusal || complaint("This file was not taken. Try again in a moment."));
  };
  const complaint = (text) => {
    const line = document.createElement("p");
    line.className = "warn";
    line.setAttribute("role", "alert");
    line.textContent = text;
    return line;
  };
  const busy = (is) => {
    bar.hidden = !is;
    button.disabled = is;
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (sent) => {
      if (sent.lengthComputable) bar.value = (100 * sent.loaded) / sent.total;
    });
    request.addEventListener("load", () => {
      busy(false);
      if (request.status === 200) location.assign(request.responseURL);
      else if (request.status === 413) { form.querySelector("[role=alert]")?.remove(); drop.before(complaint("This file is too large: split it.")); }
      else show(request.responseText);
    });
    request.addEventListener("error", () => { busy(false); show(""); });
    request.open("POST", form.action);
    request.send(new FormData(form));
    bar.value = 0;
    busy(true);
  });

  // The field itself takes what is dropped on it; the box around it says so, and takes it too.
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) form.elements.file.files = event.dataTransfer.files;
    });
  }
})();

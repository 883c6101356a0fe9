// Answers while they are written: each update changes as little of the page as it can, so that what a reader
// has selected, focused or opened stays; and a stream that broke off is joined again where it was.
(() => {
  "use strict";
  const places = new Map(); // a stream's address -> the id of the last event that this page has had

  // htmx opens its streams by this function.
  htmx.createEventSource = (address) => {
    const place = places.get(address);
    const source = new EventSource(place ? `${address}?after=${encodeURIComponent(place)}` : address);
    const remember = (event) => { if (event.lastEventId) places.set(address, event.lastEventId); };
    source.addEventListener("update", remember);
    source.addEventListener("edit", (event) => {
      edit(JSON.parse(event.data));
      remember(event);
    });
    source.addEventListener("done", () => places.delete(address));
    return source;
  };

  const edit = ({ message, thinking, answer }) => {
    if (thinking) editPart(`thinking-${message}`, thinking);
    if (answer) editPart(`answer-${message}`, answer);
    keepUp();
  };

  const editPart = (id, { count, blocks }) => {
    const box = document.getElementById(id);
    if (!box) return;
    for (const [number, kept, html] of blocks) {
      const block = box.children[number] || box.appendChild(newBlock(`${id}-${number}`));
      block.source = (block.source || "").slice(0, kept) + html;
      const part = block.source.startsWith(CODE) ? block.source.lastIndexOf(PART, kept - PART.length) : -1;
      if (part < 0) morph(block, parsed(block.source));
      else morphCode(block, part);
    }
    while (box.childElementCount > count) box.lastElementChild.remove();
  };

  const parsed = (html) => Object.assign(document.createElement("template"), { innerHTML: html }).content;

  // Of a long block of code all parts before the one with the first change are as they were.
  const CODE = '<div class="code"';
  const PART = '<span class="code-part">';
  const morphCode = (block, part) => {
    const code = block.querySelector("code");
    const before = block.source.slice(0, part).split(PART).length - 1;
    const wanted = parsed(block.source.slice(part, block.source.lastIndexOf("</code>")));
    morph(code, wanted, code.querySelectorAll(":scope > .code-part")[before]);
  };

  const newBlock = (id) => Object.assign(document.createElement("div"), { id, className: "block" });

  // Make `shown` the same as `wanted`, from its child `first` on. Within a line a node stays where the words before
  // it are as many as they were: what is lit in one line leaves the lines below alone, and nothing is seen to move.
  const morph = (shown, wanted, first = shown.firstChild) => {
    let old = first;
    let ahead = 0; // characters by which `old` begins further on than `fresh`
    for (let fresh = wanted.firstChild; fresh;) {
      const following = fresh.nextSibling;
      if (!isInline(fresh)) ahead = 0;
      while (old && isInline(old) && ahead < 0) {
        ahead += old.textContent.length;
        old = removed(old);
      }
      if (!old || ahead) {
        ahead -= fresh.textContent.length;
        live(shown.insertBefore(fresh, old));
      } else {
        if (isInline(old) && !old.isEqualNode(fresh)) ahead = old.textContent.length - fresh.textContent.length;
        old = (old.isEqualNode(fresh) ? old : change(old, fresh)).nextSibling;
      }
      fresh = following;
    }
    while (old) old = removed(old);
  };

  const INLINE = new Set(["A", "SPAN", "EM", "STRONG", "CODE", "S", "BR", "math", "#text"]);
  const isInline = (node) => INLINE.has(node.nodeName);
  const removed = (node) => {
    const following = node.nextSibling;
    node.remove();
    return following;
  };

  const change = (old, fresh) => {
    if (old.nodeName !== fresh.nodeName || (old.nodeName === "SPAN" && old.className !== fresh.className)) {
      old.replaceWith(fresh);
      live(fresh);
      return fresh;
    }
    if (old.nodeType === Node.TEXT_NODE) {
      if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.length));
      else if (old.data.startsWith(fresh.data)) old.deleteData(fresh.length, old.length);
      else old.data = fresh.data;
    } else {
      if (changeAttributes(old, fresh)) live(old);
      morph(old, fresh);
    }
    return old;
  };

  // The classes "chosen" and "htmx-request" are the page's own, and stay.
  const changeAttributes = (old, fresh) => {
    let changed = false;
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      const own = name === "class" ? ["chosen", "htmx-request"].filter((word) => old.classList.contains(word)) : [];
      const wanted = [value, ...own].join(" ");
      if (old.getAttribute(name) === wanted) continue;
      old.setAttribute(name, wanted);
      changed = true;
    }
    return changed;
  };

  const live = (node) => {
    if (node.nodeType === Node.ELEMENT_NODE && (node.matches("[hx-get]") || node.querySelector("[hx-get]"))) htmx.process(node);
  };

  // The finished article takes the place of the growing one; of its words only what changed is touched, because
  // a browser needs a quarter of a second to build a long answer anew.
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target: shown, fragment } = event.detail;
    const fresh = fragment.firstElementChild;
    const box = shown.matches("article.answer-writing") && shown.querySelector(":scope > .prose");
    const words = fresh?.querySelector(":scope > .prose");
    if (!box || !words) return;
    event.detail.shouldSwap = false;
    settle(shown, fresh, box, words);
  });

  const settle = (shown, fresh, box, words) => {
    fresh.removeAttribute("hx-swap-oob");
    for (const { id } of shown.querySelectorAll("details[id][open]")) {
      const same = fresh.querySelector(`#${CSS.escape(id)}`);
      if (same) same.open = true; // what a reader opened stays open
    }
    changeAttributes(shown, fresh);
    for (const child of [...shown.children]) if (child !== box) child.remove();
    morph(box, words);
    const added = [...fresh.children].filter((child) => child !== words);
    let behind = false;
    for (const child of [...fresh.children]) {
      if (child === words) behind = true;
      else if (behind) shown.append(child);
      else box.before(child);
    }
    for (const child of added) {
      htmx.process(child);
      htmx.trigger(child, "htmx:load", { elt: child });
    }
    keepUp();
  };

  // The page follows the answer while the reader is at its end; scrolling up from there ends that. How far
  // the end is says nothing: before a scroll is told of, a fast answer has grown by more.
  const page = document.scrollingElement;
  const toEnd = () => page.scrollHeight - window.innerHeight - window.scrollY;
  let following = true;
  let waiting = false;
  let place = 0;
  document.addEventListener("scroll", () => {
    const up = window.scrollY < place;
    following = up ? toEnd() < 2 : following || toEnd() < 160;
    place = window.scrollY;
  }, { passive: true });
  const keepUp = () => {
    if (waiting || !following) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (following) window.scrollTo({ top: page.scrollHeight });
    });
  };

  // A part that is replaced keeps open what a reader opened.
  let opened = new Map();
  document.addEventListener("htmx:sseBeforeMessage", () => {
    opened = new Map([...document.querySelectorAll("details[id]")].map((box) => [box.id, box.open]));
  });
  document.addEventListener("htmx:sseMessage", () => {
    document.querySelectorAll("details[id]").forEach((box) => {
      if (opened.has(box.id)) box.open = opened.get(box.id);
    });
    keepUp();
  });
})();

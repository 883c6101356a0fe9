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

  // Make `shown` the same as `wanted`, from its child `first` on, leaving alone every node that is the same
  // already, also where others came before it or went: what is lit in a line leaves the lines below as they are.
  const morph = (shown, wanted, first = shown.firstChild) => {
    let old = first;
    let moving = false; // a line's end that follows other words now would be seen to move: it is a new one
    for (let fresh = wanted.firstChild; fresh;) {
      const following = fresh.nextSibling;
      if (!old) live(shown.appendChild(fresh));
      else if (old.isEqualNode(fresh) && !(moving && blank(old))) old = old.nextSibling;
      else {
        moving = true;
        if (soon(fresh, old)) live(shown.insertBefore(fresh, old));
        else {
          const same = soon(old, fresh);
          old = (same ? removeUntil(old, same) : change(old, fresh)).nextSibling;
        }
      }
      fresh = following;
    }
    removeUntil(old, null);
  };

  const blank = (node) => node.nodeType === Node.TEXT_NODE && !node.data.trim();

  const NEAR = 4; // a word that is lit, or is so no longer, puts as many nodes into its line or takes them away
  const soon = (node, like) => {
    if (blank(like)) return null;
    for (let at = 0, next = node.nextSibling; next && at < NEAR; at++, next = next.nextSibling) {
      if (next.isEqualNode(like)) return next;
    }
    return null;
  };

  const removeUntil = (node, end) => {
    while (node && node !== end) {
      const following = node.nextSibling;
      node.remove();
      node = following;
    }
    return end;
  };

  const change = (old, fresh) => {
    if (!continues(old, fresh)) {
      old.replaceWith(fresh);
      live(fresh);
      return fresh;
    }
    if (old.nodeType === Node.TEXT_NODE) {
      if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.length));
      else old.deleteData(fresh.length, old.length);
    } else {
      if (changeAttributes(old, fresh)) live(old);
      morph(old, fresh);
    }
    return old;
  };

  // Words that begin where the old ones do. Others are others' place: they would be seen to move there.
  const INLINE = new Set(["A", "SPAN", "EM", "STRONG", "CODE", "S", "#text"]);
  const continues = (old, fresh) => {
    if (old.nodeName !== fresh.nodeName || blank(old)) return false;
    if (!INLINE.has(old.nodeName)) return true;
    return fresh.textContent.startsWith(old.textContent) || old.textContent.startsWith(fresh.textContent);
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

// Making elements, and the one name under which the parts of this script find one another.
(function (bench) {
  "use strict";

  // make("button", { type: "button", class: "quiet", text: "Copy" }, child, ...): text is never read as markup.
  function make(tag, properties, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name === "text") element.textContent = value;
      else if (name === "on") Object.entries(value).forEach(([event, listener]) => element.addEventListener(event, listener));
      else if (name in element && typeof value === "boolean") element[name] = value;
      else if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  function button(text, listener, properties) {
    return make("button", { type: "button", text, on: { click: listener }, ...properties });
  }

  // A button that opens and closes a panel; `build` fills the panel when it is opened for the first time.
  function disclosure(text, panel, build) {
    const toggle = button(text, () => {
      const open = toggle.getAttribute("aria-expanded") !== "true";
      if (open && !panel.hasChildNodes()) build(panel);
      toggle.setAttribute("aria-expanded", String(open));
      panel.hidden = !open;
      panel.dispatchEvent(new CustomEvent(open ? "open" : "close"));
    }, { class: "opens", "aria-expanded": "false", "aria-controls": panel.id });
    panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      toggle.focus();
      toggle.click();
    });
    return toggle;
  }

  // When the page has nothing more urgent to do.
  function later(work) {
    if (window.requestIdleCallback) requestIdleCallback(work, { timeout: 2000 });
    else setTimeout(work, 50);
  }

  // At once on most pages; a long board starts this script before what stands below it is read.
  function whenRead(work) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", work);
    else work();
  }

  function plural(count, word) {
    return `${count} ${word}${count === 1 ? "" : "s"}`;
  }

  function listWords(words) {
    return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
  }

  bench.dom = { make, button, disclosure, later, whenRead, plural, listWords };
})(window.bench = window.bench || {});

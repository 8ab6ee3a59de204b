// The state of a view as the fragment of an address, and back: #sort=ud,-accuracy&family=filter&q=fog. Pure functions.
(function (bench) {
  "use strict";

  function empty() {
    return { sort: [], facets: {}, q: "", hide: [], complete: false, sel: [], only: false };
  }

  // What an address calls the value of a facet: "quick (few seeds)" is quick-few-seeds.
  function slug(words) {
    return words.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  }

  function quote(text) {
    const whole = text.toWellFormed ? text.toWellFormed() : text.replace(/[\ud800-\udfff]/g, "\ufffd");
    return encodeURIComponent(whole).replace(/%20/g, "+").replace(/%3A/g, ":").replace(/%3D/g, "=").replace(/%2C/g, ",");
  }

  function unquote(text) {
    return decodeURIComponent(text.replace(/\+/g, " "));
  }

  // Facets and columns come in the order of the board, so that equal states have equal addresses.
  function encode(state, known) {
    const parts = [];
    if (state.sort.length) parts.push(`sort=${state.sort.map((key) => (key.descending ? "-" : "") + key.key).join(",")}`);
    const faceted = Object.keys(state.facets).length > 0; // what facets there are is read from every row
    for (const facet of faceted ? Object.keys(known.facets) : []) {
      const chosen = known.facets[facet].filter((value) => (state.facets[facet] || []).includes(value));
      if (chosen.length) parts.push(`${facet}=${chosen.join(",")}`);
    }
    if (state.q) parts.push(`q=${quote(state.q)}`);
    const hidden = known.hideable.filter((key) => state.hide.includes(key));
    if (hidden.length) parts.push(`hide=${hidden.join(",")}`);
    if (state.complete) parts.push("complete=1");
    if (state.sel.length) parts.push(`sel=${state.sel.join(",")}`);
    if (state.only) parts.push("only=1");
    return parts.join("&");
  }

  // A fragment without "=" names a place on the page and says nothing of the view.
  function isView(fragment) {
    return fragment === "" || fragment.includes("=");
  }

  // known: { sortable: [key], hideable: [key], facets: { name: [slug] }, slugs: Set }. Returns { state, ignored }.
  function decode(fragment, known) {
    const state = empty();
    const ignored = [];
    const readers = {
      sort: (text) => list(text, ignored, "sort", (part) => known.sortable.includes(part.replace(/^-/, "")))
        .forEach((part) => addKey(state.sort, part)),
      q: (text) => { state.q = text; },
      hide: (text) => { state.hide = list(text, ignored, "hide", (part) => known.hideable.includes(part)); },
      complete: (text) => { state.complete = flag(text, ignored, "complete"); },
      sel: (text) => { state.sel = list(text, ignored, "sel", (part) => known.slugs.has(part)); },
      only: (text) => { state.only = flag(text, ignored, "only"); },
    };
    for (const part of fragment.split("&").filter(Boolean)) {
      const at = part.indexOf("=");
      const name = at < 0 ? part : part.slice(0, at);
      let text;
      try {
        text = unquote(at < 0 ? "" : part.slice(at + 1));
      } catch (error) {
        ignored.push(part); // a broken percent sign
        continue;
      }
      if (Object.hasOwn(readers, name)) readers[name](text);
      else if (Object.hasOwn(known.facets, name)) {
        const values = list(text, ignored, name, (value) => known.facets[name].includes(value));
        if (values.length) state.facets[name] = values;
      } else ignored.push(part);
    }
    return { state, ignored };
  }

  function list(text, ignored, name, isKnown) {
    const parts = [...new Set(text.split(",").filter(Boolean))];
    parts.filter((part) => !isKnown(part)).forEach((part) => ignored.push(`${name}=${part}`));
    return parts.filter(isKnown);
  }

  function addKey(keys, part) {
    const key = part.replace(/^-/, "");
    if (!keys.some((item) => item.key === key)) keys.push({ key, descending: part.startsWith("-") });
  }

  function flag(text, ignored, name) {
    if (text !== "1") ignored.push(`${name}=${text}`);
    return text === "1";
  }

  bench.address = { empty, slug, encode, decode, isView };
})(window.bench = window.bench || {});

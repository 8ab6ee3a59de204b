// The text filter: words, "phrases", -without, key:words, key<number. Pure functions of text and rows.
(function (bench) {
  "use strict";

  const PIECE = /(-?)(?:([a-z_]+)(:|<=|>=|<|>|=))?(?:"([^"]*)"?|(\S*))/giy;
  const RELATIONS = {
    "<": (left, right) => left < right,
    "<=": (left, right) => left <= right,
    ">": (left, right) => left > right,
    ">=": (left, right) => left >= right,
    "=": (left, right) => left === right,
  };
  const WORDS = { "<": "below", "<=": "at most", ">": "above", ">=": "at least", "=": "equal to" };

  // Returns { terms, notes }. columns: by key, with `kind` "number" or "text" and `short`. notes: what was not understood.
  function parse(text, columns) {
    const terms = [];
    const notes = [];
    PIECE.lastIndex = 0;
    while (PIECE.lastIndex < text.length) {
      const start = PIECE.lastIndex;
      const found = PIECE.exec(text);
      if (!found || found[0] === "") {
        PIECE.lastIndex = start + 1;
        continue;
      }
      const [whole, minus, name, relation, phrase, word] = found;
      const value = phrase === undefined ? word : phrase;
      const key = name && name.toLowerCase();
      if (value === "") continue; // still being typed
      const column = key && Object.hasOwn(columns, key) ? columns[key] : null;
      if (!key) terms.push({ without: minus !== "", text: value });
      else if (!column) terms.push(unknown(whole, minus, key, notes));
      else if (relation === ":" || (relation === "=" && column.kind === "text")) {
        terms.push({ without: minus !== "", key, relation, text: value });
      } else if (column.kind === "text") notes.push(`“${key}” is text and cannot be compared with ${relation}`);
      else if (!isFinite(asNumber(value))) notes.push(`“${value}” is no number`);
      else terms.push({ without: minus !== "", key, relation, number: asNumber(value), text: value });
    }
    for (const term of terms) term.sought = lower(term.text);
    return { terms, notes };
  }

  function unknown(whole, minus, key, notes) {
    notes.push(`“${key}” is no column, so “${whole}” is looked for as it stands`);
    return { without: minus !== "", text: whole.slice(minus.length) };
  }

  function asNumber(text) {
    return Number(text.replace("\u2212", "-").replace(/%$/, ""));
  }

  function lower(text) {
    return text.normalize("NFC").toLowerCase();
  }

  // row: `text(key)` in lower case, without a key all that is searched, and `number(key)` as shown, null where missing.
  function matches(terms, row) {
    return terms.every((term) => holds(term, row) !== term.without);
  }

  function holds(term, row) {
    if (!term.key || term.relation === ":") return row.text(term.key).includes(term.sought);
    if (term.number === undefined) return row.text(term.key) === term.sought;
    const value = row.number(term.key);
    return value !== null && RELATIONS[term.relation](value, term.number);
  }

  function describe(terms, columns) {
    return bench.dom.listWords(terms.map((term) => {
      const not = term.without ? "not " : "";
      if (!term.key) return `${term.without ? "without" : "with"} “${term.text}”`;
      const name = columns[term.key].short;
      if (term.number === undefined) return `${name} ${not}${term.relation === ":" ? "with" : "equal to"} “${term.text}”`;
      return `${name} ${not}${WORDS[term.relation]} ${term.text}`;
    }));
  }

  bench.query = { parse, matches, describe, lower };
})(window.bench = window.bench || {});

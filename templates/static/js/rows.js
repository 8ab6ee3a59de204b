// A board's table as data: columns, rows, and what a view of them shows. Reads the page, changes nothing.
// What a page says is read when it is asked for and then kept: of 500 rows, reading all of it would delay the page.
(function (bench) {
  "use strict";

  const FACETS = [
    ["family", "Family"], ["role", "Role"], ["kind", "Kind of perturbation"], ["tier", "Tier"], ["status", "Status"],
    ["verdict", "Gaussian noise"], ["keeps", "Keeps accuracy"],
  ];
  const KEPT = ["rank", "name"];
  let collator = null; // made when texts are sorted: it loads tables of all letters

  function readColumn(header, index) {
    const data = header.dataset;
    return {
      index, header,
      key: data.key,
      label: header.textContent.trim(),
      short: data.short,
      kind: data.sort,
      metric: data.metric || "",
      conditions: data.conditions ? data.conditions.split(" ") : [],
      worst: data.worst || "",
      scale: Number(data.scale || 1),
      unit: data.unit || "",
    };
  }

  function kept(store, key, read) {
    if (!store.has(key)) store.set(key, read());
    return store.get(key);
  }

  class Row {
    constructor(element, position, columns) {
      this.element = element;
      this.position = position;
      this.columns = columns; // by key
      this.slug = element.getAttribute("data-slug");
      this.hidden = false;
      this.values = new Map();
      this.texts = new Map();
      this.facets = new Map();
    }

    get data() {
      return this.element.dataset;
    }

    cell(key) {
      return this.element.cells[this.columns[key].index];
    }

    // A number, a text, or null where nothing was measured.
    value(key) {
      return kept(this.values, key, () => {
        const text = this.cell(key).getAttribute("data-value");
        return text === null || text === "" ? null : this.columns[key].kind === "number" ? Number(text) : text;
      });
    }

    // Searches compare with numbers as shown; twelve digits undo what multiplying by 100 adds.
    number(key) {
      const value = this.columns[key] ? this.value(key) : null;
      return typeof value === "number" ? Number((value * this.columns[key].scale).toPrecision(12)) : null;
    }

    // What is searched, in lower case: everything without a key, else a column or a facet.
    text(key) {
      return kept(this.texts, key, () => {
        if (!key) return bench.query.lower(this.data.filter);
        if (key === "name") return bench.query.lower(this.value("name"));
        if (this.columns[key]) return bench.query.lower(this.cell(key).textContent.replace(/\s+/g, " ").trim());
        return bench.query.lower(this.data[key] || "");
      });
    }

    facet(name) {
      return kept(this.facets, name, () => {
        const words = this.element.getAttribute(`data-${name}`);
        return words ? bench.address.slug(words) : "";
      });
    }
  }

  function readFacet(rows, name, label) {
    const options = new Map();
    for (const row of rows) if (row.facet(name)) options.set(row.facet(name), row.data[name]);
    return { name, label, options: Array.from(options, ([value, words]) => ({ value, words })) };
  }

  function readTable(element) {
    const columns = Array.from(element.tHead.rows[0].cells).map(readColumn);
    const byKey = Object.fromEntries(columns.map((column) => [column.key, column]));
    const rows = Array.from(element.querySelectorAll("tbody tr[data-slug]")).map((row, position) => new Row(row, position, byKey));
    const store = new Map();
    const table = {
      element, columns, rows, byKey,
      byElement: new Map(rows.map((row) => [row.element, row])),
      get facets() {
        return kept(store, "facets", () => FACETS.map(([name, label]) => readFacet(rows, name, label)).filter((facet) => facet.options.length));
      },
      get searchable() {
        const facets = table.facets.map(({ name, label }) => [name, { key: name, kind: "text", short: label }]);
        return kept(store, "searchable", () => ({ ...byKey, ...Object.fromEntries(facets.filter(([name]) => !byKey[name])) }));
      },
    };
    table.known = {
      sortable: columns.filter((column) => column.kind).map((column) => column.key),
      hideable: columns.map((column) => column.key).filter((key) => !KEPT.includes(key)),
      get facets() {
        return kept(store, "known", () => Object.fromEntries(table.facets.map((facet) => [facet.name, facet.options.map(({ value }) => value)])));
      },
      get slugs() {
        return kept(store, "slugs", () => new Set(rows.map((row) => row.slug)));
      },
    };
    return table;
  }

  function inAlphabet(left, right) {
    collator = collator || new Intl.Collator("en");
    return collator.compare(left, right);
  }

  // What was not measured stays last in both directions; equal rows keep the order of the board.
  function comparison(table, sort) {
    const keys = sort.map((item) => ({ ...item, sign: item.descending ? -1 : 1 }));
    return (left, right) => {
      for (const { key, sign } of keys) {
        const a = left.value(key);
        const b = right.value(key);
        if (a === null || b === null) {
          if (a !== b) return a === null ? 1 : -1;
        } else {
          const order = typeof a === "number" ? a - b : inAlphabet(a, b);
          if (order) return sign * order;
        }
      }
      return left.position - right.position;
    };
  }

  function shownColumns(table, state) {
    return table.columns.filter((column) => !state.hide.includes(column.key));
  }

  // Rows that are shown, and for each option of each facet how many would be if it were chosen in its facet.
  function filter(table, state) {
    const { terms, notes } = state.q ? bench.query.parse(state.q, table.searchable) : { terms: [], notes: [] };
    const needed = state.complete
      ? shownColumns(table, state).filter((column) => column.kind === "number" && column.key !== "rank").map((column) => column.key)
      : [];
    const picked = new Set(state.sel);
    const fits = table.rows.filter((row) => (!state.only || picked.has(row.slug))
      && bench.query.matches(terms, row) && needed.every((key) => row.value(key) !== null));
    const chosen = Object.entries(state.facets).filter(([, values]) => values.length);
    const failed = (row) => chosen.filter(([name, values]) => !values.includes(row.facet(name))).map(([name]) => name);
    const store = new Map();
    return {
      terms, notes,
      shown: new Set(chosen.length ? fits.filter((row) => failed(row).length === 0) : fits),
      get counts() {
        return kept(store, "counts", () => count(table.facets, fits, failed));
      },
    };
  }

  // A row counts in a facet if no other facet keeps it from being shown.
  function count(facets, rows, failed) {
    const counts = Object.fromEntries(facets.map((facet) => [facet.name, {}]));
    for (const row of rows) {
      const missed = failed(row);
      for (const { name } of facets) {
        const value = row.facet(name);
        if (value && missed.every((other) => other === name)) counts[name][value] = (counts[name][value] || 0) + 1;
      }
    }
    return counts;
  }

  // The rows of a view in the order in which they stand, group by group.
  function inOrder(table, shown) {
    return Array.from(table.element.querySelectorAll("tbody tr[data-slug]")).map((element) => table.byElement.get(element))
      .filter((row) => shown.has(row));
  }

  bench.rows = { FACETS, readTable, comparison, filter, shownColumns, inOrder };
})(window.bench = window.bench || {});

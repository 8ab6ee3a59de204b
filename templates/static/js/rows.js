// A board's table as data: columns, rows, and what a view of them shows. Reads the page, changes nothing.
(function (bench) {
  "use strict";

  const FACETS = [
    ["family", "Family"], ["role", "Role"], ["kind", "Kind of perturbation"], ["tier", "Tier"], ["status", "Status"],
    ["verdict", "Gaussian noise"], ["keeps", "Keeps accuracy"],
  ];
  const KEPT = ["rank", "name"];
  const collator = new Intl.Collator("en");

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

  function readRow(element, position, columns) {
    const row = { element, position, data: element.dataset, slug: element.dataset.slug, values: {}, numbers: {}, texts: {} };
    for (const column of columns) {
      const text = element.cells[column.index].dataset.value;
      const value = text === undefined || text === "" ? null : column.kind === "number" ? Number(text) : text;
      row.values[column.key] = value;
      // Searches compare with numbers as shown; twelve digits undo what multiplying by 100 adds.
      row.numbers[column.key] = typeof value === "number" ? Number((value * column.scale).toPrecision(12)) : null;
    }
    row.facets = {};
    for (const [name] of FACETS) if (row.data[name]) row.facets[name] = bench.address.slug(row.data[name]);
    return row;
  }

  // Texts are read when something is searched for: 500 rows of them would delay the page.
  function readTexts(table) {
    if (table.textsRead) return;
    table.textsRead = true;
    for (const row of table.rows) {
      row.text = bench.query.lower(row.data.filter);
      for (const column of table.columns) {
        row.texts[column.key] = bench.query.lower(row.element.cells[column.index].textContent.replace(/\s+/g, " ").trim());
      }
      row.texts.name = bench.query.lower(row.values.name);
      for (const [name] of FACETS) if (!(name in row.values)) row.texts[name] = bench.query.lower(row.data[name] || "");
    }
  }

  function readTable(element) {
    const columns = Array.from(element.tHead.rows[0].cells).map(readColumn);
    const rows = Array.from(element.querySelectorAll("tbody tr[data-slug]")).map((row, position) => readRow(row, position, columns));
    const byElement = new Map(rows.map((row) => [row.element, row]));
    const table = { element, columns, rows, byElement, byKey: {}, facets: [], searchable: {} };
    for (const column of columns) table.byKey[column.key] = table.searchable[column.key] = column;
    for (const [name, label] of FACETS) {
      const options = new Map();
      for (const row of rows) if (row.facets[name]) options.set(row.facets[name], row.data[name]);
      if (!options.size) continue;
      table.facets.push({ name, label, options: Array.from(options, ([value, words]) => ({ value, words })) });
      if (!table.byKey[name]) table.searchable[name] = { key: name, kind: "text", short: label };
    }
    table.known = {
      sortable: columns.filter((column) => column.kind).map((column) => column.key),
      hideable: columns.map((column) => column.key).filter((key) => !KEPT.includes(key)),
      facets: Object.fromEntries(table.facets.map((facet) => [facet.name, facet.options.map((option) => option.value)])),
      slugs: new Set(rows.map((row) => row.slug)),
    };
    return table;
  }

  // What was not measured stays last in both directions; equal rows keep the order of the board.
  function comparison(table, sort) {
    const keys = sort.map((item) => ({ ...item, sign: item.descending ? -1 : 1 }));
    return (left, right) => {
      for (const { key, sign } of keys) {
        const a = left.values[key];
        const b = right.values[key];
        if (a === null || b === null) {
          if (a !== b) return a === null ? 1 : -1;
        } else {
          const order = typeof a === "number" ? a - b : collator.compare(a, b);
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
    const { terms, notes } = bench.query.parse(state.q, table.searchable);
    if (terms.length) readTexts(table);
    const needed = state.complete
      ? shownColumns(table, state).filter((column) => column.kind === "number" && column.key !== "rank").map((column) => column.key)
      : [];
    const picked = new Set(state.sel);
    const chosen = table.facets.map((facet) => [facet.name, state.facets[facet.name] || []]);
    const counts = Object.fromEntries(table.facets.map((facet) => [facet.name, {}]));
    const shown = new Set();
    for (const row of table.rows) {
      if (state.only && !picked.has(row.slug)) continue;
      if (!bench.query.matches(terms, row) || needed.some((key) => row.values[key] === null)) continue;
      const failed = chosen.filter(([name, values]) => values.length && !values.includes(row.facets[name]));
      if (!failed.length) shown.add(row);
      const open = failed.length === 0 ? table.facets.map((facet) => facet.name) : failed.length === 1 ? [failed[0][0]] : [];
      for (const name of open) {
        const value = row.facets[name];
        if (value) counts[name][value] = (counts[name][value] || 0) + 1;
      }
    }
    return { shown, counts, terms, notes };
  }

  // The rows of a view in the order in which they stand, group by group.
  function inOrder(table, shown) {
    return Array.from(table.element.querySelectorAll("tbody tr[data-slug]")).map((element) => table.byElement.get(element))
      .filter((row) => shown.has(row));
  }

  bench.rows = { FACETS, readTable, comparison, filter, shownColumns, inOrder };
})(window.bench = window.bench || {});

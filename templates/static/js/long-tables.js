// Rows of long boards are boxes of their own, see long-tables.css. Some browsers, Safari before 17 among them, take such
// a row for no row of a table, so its role is said in words, for all rows once the browser has time.
(function (bench) {
  "use strict";

  const AT_ONCE = 50;

  function roleOf(cell) {
    if (cell.tagName === "TD") return "cell";
    return cell.scope === "col" ? "columnheader" : "rowheader";
  }

  function sayRoles(row) {
    row.setAttribute("role", "row");
    for (const cell of row.cells) cell.setAttribute("role", roleOf(cell));
  }

  function enable(table) {
    if (!table.classList.contains("long")) return;
    table.setAttribute("role", "table");
    for (const group of [table.tHead, ...table.tBodies]) group.setAttribute("role", "rowgroup");
    const rows = Array.from(table.rows);
    const next = () => {
      rows.splice(0, AT_ONCE).forEach(sayRoles);
      if (rows.length) bench.dom.later(next);
    };
    bench.dom.later(next);
  }

  bench.longTables = { enable };
})(window.bench = window.bench || {});

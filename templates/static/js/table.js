// Sorting and filtering of complete tables.
(function () {
  "use strict";

  function cellValue(row, index, kind) {
    var text = row.cells[index].dataset.value;
    if (text === undefined || text === "") return null;
    return kind === "number" ? Number(text) : text;
  }

  function compare(left, right, sign, kind) {
    // What was not measured stays last in both directions.
    if (left === null || right === null) return (left === null) - (right === null);
    if (kind === "number") return sign * (left - right);
    return sign * left.localeCompare(right, "en");
  }

  function sortTable(table, header, index, kind) {
    var descending = header.getAttribute("aria-sort") === "ascending";
    Array.from(table.tHead.rows[0].cells).forEach(function (cell) { cell.removeAttribute("aria-sort"); });
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    Array.from(table.tBodies).forEach(function (body) {
      // A row of one cell is a heading or says that there is nothing: it stays where it is.
      var rows = Array.from(body.rows).filter(function (row) { return row.cells.length > Math.max(index, 1); });
      rows.sort(function (a, b) {
        return compare(cellValue(a, index, kind), cellValue(b, index, kind), descending ? -1 : 1, kind);
      });
      rows.forEach(function (row) { body.appendChild(row); });
    });
  }

  function enableSort(table) {
    Array.from(table.tHead.rows[0].cells).forEach(function (header, index) {
      var kind = header.dataset.sort;
      if (!kind) return;
      var button = document.createElement("button");
      button.type = "button";
      button.append.apply(button, Array.from(header.childNodes));
      header.replaceChildren(button);
      button.addEventListener("click", function () { sortTable(table, header, index, kind); });
    });
  }

  function enableFilter(tools) {
    var table = document.getElementById(tools.dataset.tools);
    var input = tools.querySelector("input");
    var output = tools.querySelector("output");
    var rows = Array.from(table.querySelectorAll("tbody tr[data-filter]"));
    if (rows.length < 2) return;
    function apply() {
      var wanted = input.value.trim().toLowerCase().split(/\s+/);
      var shown = 0;
      rows.forEach(function (row) {
        var text = row.dataset.filter.toLowerCase();
        row.hidden = !wanted.every(function (word) { return text.includes(word); });
        shown += row.hidden ? 0 : 1;
      });
      output.textContent = shown + " of " + rows.length + " shown";
    }
    input.addEventListener("input", apply);
    tools.hidden = false;
    apply();
  }

  document.querySelectorAll("table[data-sortable]").forEach(enableSort);
  document.querySelectorAll("[data-tools]").forEach(enableFilter);
})();

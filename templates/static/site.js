// Three small enhancements of complete pages: theme button, sortable and filterable tables, live charts.
(function () {
  "use strict";

  var THEMES = ["system", "light", "dark"];
  var bundleUrl = document.currentScript.dataset.charts;

  function readTheme() {
    return document.documentElement.dataset.theme || "system";
  }

  function storeTheme(theme) {
    try {
      if (theme === "system") localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch (error) {
      // Storage may be switched off: the choice lasts for this page.
    }
  }

  function enableTheme(button) {
    var label = button.querySelector("span");
    label.textContent = readTheme();
    button.addEventListener("click", function () {
      var next = THEMES[(THEMES.indexOf(readTheme()) + 1) % THEMES.length];
      if (next === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = next;
      storeTheme(next);
      label.textContent = next;
    });
    button.hidden = false;
  }

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

  var bundle = null;

  function loadBundle() {
    if (!bundle) {
      bundle = new Promise(function (resolve, reject) {
        var script = document.createElement("script");
        script.src = bundleUrl;
        script.onload = resolve;
        script.onerror = reject;
        document.head.appendChild(script);
      });
    }
    return bundle;
  }

  function drawChart(drawing) {
    var spec = JSON.parse(document.getElementById(drawing.dataset.chart).textContent);
    var live = document.createElement("div");
    var options = { ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: { disableDefaultStyle: true } };
    return loadBundle()
      .then(function () { return window.vegaEmbed(live, spec, options); })
      .then(function () {
        drawing.replaceChildren(live);
        drawing.dataset.live = "yes";
      })
      .catch(function () {
        drawing.dataset.live = "no"; // The static drawing stays.
      });
  }

  function enableCharts(drawings) {
    if (!("IntersectionObserver" in window)) return;
    var observer = new IntersectionObserver(function (entries) {
      entries.filter(function (entry) { return entry.isIntersecting; }).forEach(function (entry) {
        observer.unobserve(entry.target);
        drawChart(entry.target);
      });
    });
    drawings.forEach(function (drawing) { observer.observe(drawing); });
  }

  enableTheme(document.getElementById("theme"));
  document.querySelectorAll("table[data-sortable]").forEach(enableSort);
  document.querySelectorAll("[data-tools]").forEach(enableFilter);
  enableCharts(document.querySelectorAll("[data-chart]"));
})();

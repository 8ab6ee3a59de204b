// The panel that hands out exactly the view that is shown: as a file, as text, as a citation.
(function (bench) {
  "use strict";

  const { make, button } = bench.dom;
  const serializers = bench.serializers;

  const FORMATS = {
    csv: { label: "CSV", suffix: ".csv", type: "text/csv", write: serializers.csv },
    json: { label: "JSON", suffix: ".json", type: "application/json", write: serializers.json },
    latex: { label: "LaTeX", suffix: ".tex", type: "text/x-tex", write: serializers.latex },
    markdown: { label: "Markdown", suffix: ".md", type: "text/markdown", write: serializers.markdown },
    bibtex: { label: "BibTeX", suffix: ".bib", type: "text/x-bibtex", write: serializers.bibtex },
    citation: { label: "Citation", suffix: ".txt", type: "text/plain", write: (columns, rows, cited) => serializers.citation(cited) + "\n" },
  };

  function text(node) {
    return node ? node.textContent.trim() : "";
  }

  // The first of these that a cell has: a mean, a status, its own words.
  function readCell(cell, column, row) {
    const mean = cell.querySelector(".mean");
    const status = cell.querySelector(".status");
    const main = mean || status;
    const next = main && main.nextElementSibling;
    const beside = next && next.classList.contains("interval") ? text(next) : "";
    const low = cell.dataset.low === undefined ? null : Number(cell.dataset.low);
    const high = cell.dataset.high === undefined ? null : Number(cell.dataset.high);
    return {
      text: ownText(cell, column, row, main),
      interval: mean && low !== null ? beside : "",
      note: cell.dataset.note || (status ? beside : ""),
      value: row.value(column.key),
      low, high,
    };
  }

  function ownText(cell, column, row, main) {
    if (column.key === "name") return row.value("name");
    if (column.key === "rank") return row.data.rank || text(cell.querySelector(".status, .role"));
    return main ? text(main) : text(Array.from(cell.childNodes).find((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()));
  }

  function groupOf(row) {
    const body = row.element.parentElement;
    const heading = body.querySelector(".group-name");
    return heading ? text(heading) : body.className || "ranked";
  }

  function readView(board) {
    const columns = bench.rows.shownColumns(board.table, board.state);
    const rows = bench.rows.inOrder(board.table, board.view.shown).map((row) => ({
      slug: row.slug,
      group: groupOf(row),
      facets: Object.fromEntries(board.table.facets.map((facet) => [facet.name, row.data[facet.name] || ""])),
      ties: row.data.ties,
      bibtex: row.data.bibtex || "",
      cells: Object.fromEntries(columns.map((column) => [column.key, readCell(row.element.cells[column.index], column, row)])),
    }));
    const data = board.table.element.dataset;
    const newest = Array.from(board.view.shown, (row) => row.data.day || "").reduce((a, b) => (a > b ? a : b), "");
    const cited = {
      title: data.title, protocol: data.board, digest: data.digest, newest,
      shown: rows.length, all: board.table.rows.length, view: bench.boardTools.viewWords(board), url: location.href,
    };
    return { columns, rows, cited };
  }

  function write(board, format) {
    const { columns, rows, cited } = readView(board);
    return FORMATS[format].write(columns, rows, cited);
  }

  function build(board, panel) {
    let format = "csv";
    const area = make("textarea", { readonly: "", rows: "8", spellcheck: "false", "aria-label": "The view in the chosen format" });
    const said = make("span", { role: "status" });
    const render = () => {
      if (panel.hidden) return;
      area.value = write(board, format);
      said.textContent = "";
    };
    const choices = Object.entries(FORMATS).map(([name, { label }]) => {
      const radio = make("input", { type: "radio", name: "board-format", value: name, checked: name === format });
      radio.addEventListener("change", () => {
        format = name;
        render();
      });
      return make("label", { class: "check" }, radio, make("span", { text: label }));
    });
    const copy = button("Copy", async () => {
      said.textContent = (await bench.saving.copy(area)) ? "Copied." : "The browser did not allow it: the text is selected, copy it.";
    });
    const download = button("Download", () => {
      const { type, suffix } = FORMATS[format];
      const name = `${board.table.element.dataset.board}-view${suffix}`;
      bench.saving.download(name, new Blob([area.value], { type: `${type};charset=utf-8` }));
      said.textContent = `Saved as ${name}.`;
    });
    panel.append(
      make("p", { text: "Exactly the rows and columns that are shown, in their order." }),
      make("fieldset", { class: "choices" }, make("legend", { text: "Format" }), ...choices),
      area,
      make("div", { class: "doing" }, copy, download, said),
    );
    panel.addEventListener("open", render);
    board.onRender(render);
    render();
  }

  bench.boardExport = { build, readView, write };
})(window.bench = window.bench || {});

// The bar above a board: the text filter, the buttons that open panels, and what is shown, in words.
(function (bench) {
  "use strict";

  const { make, button, disclosure, listWords } = bench.dom;

  function enable(board) {
    const { tools } = board;
    const input = tools.querySelector("input");
    const panels = make("div", { class: "panels" });
    const words = make("p", { class: "view-words", role: "status" });
    const active = make("ul", { class: "active", "aria-label": "Active filters", hidden: true });
    const notice = make("p", { class: "notice", role: "status", hidden: true });
    const add = (name, text, build) => {
      const panel = make("div", { class: "panel", id: `board-${name}`, role: "group", "aria-label": text, hidden: true });
      panels.append(panel);
      return disclosure(text, panel, (place) => build(board, place));
    };
    const reset = button("Reset", () => {
      board.change((state) => Object.assign(state, bench.address.empty()));
      input.focus();
    });
    tools.append(
      add("filters", "Filters", bench.boardPanels.filters),
      add("columns", "Columns", bench.boardPanels.columns),
      add("export", "Export and cite", bench.boardExport.build),
      add("verify", "Verify", bench.verifyPanel.buildForBoard),
      reset,
    );
    tools.after(panels, notice, words, active);
    enableTyping(board, input);
    tools.hidden = false;
    board.onRender(() => {
      if (input.value !== board.state.q) input.value = board.state.q;
      reset.hidden = JSON.stringify(board.state) === JSON.stringify(bench.address.empty());
      renderWords(board, words, active, notice);
    });
  }

  // What is typed in one go is one step for the Back button.
  function enableTyping(board, input) {
    input.addEventListener("input", () => {
      board.change((state) => { state.q = input.value; }, board.typing ? "replace" : "push");
      board.typing = true;
    });
    input.addEventListener("blur", () => { board.typing = false; });
  }

  function activeFilters(board) {
    const { state, table, view } = board;
    const found = [];
    for (const facet of Object.keys(state.facets).length ? table.facets : []) {
      const chosen = facet.options.filter((option) => (state.facets[facet.name] || []).includes(option.value));
      if (!chosen.length) continue;
      found.push({
        words: `${facet.label}: ${chosen.map((option) => option.words).join(" or ")}`,
        clear: (next) => { delete next.facets[facet.name]; },
      });
    }
    if (state.q.trim()) {
      const words = bench.query.describe(view.terms, table.searchable) || `“${state.q.trim()}”, which filters nothing yet`;
      found.push({ words: `Text: ${words}`, clear: (next) => { next.q = ""; } });
    }
    if (state.complete) found.push({ words: "complete rows", clear: (next) => { next.complete = false; } });
    if (state.only) found.push({ words: "selected rows", clear: (next) => { next.only = false; } });
    return found;
  }

  function sortWords(board) {
    return board.state.sort.map((item, index) => `${index ? "then by " : "sorted by "}${board.table.byKey[item.key].short}, `
      + `${item.descending ? "largest first" : "smallest first"}`);
  }

  // The view in words, without the counts.
  function viewWords(board) {
    const filters = activeFilters(board).map((filter) => filter.words);
    return [...filters, ...sortWords(board)].join("; ");
  }

  function renderWords(board, words, active, notice) {
    const filters = activeFilters(board);
    const { shown } = board.view;
    const all = board.table.rows.length;
    const sorted = sortWords(board).join(", ");
    words.textContent = `${shown.size} of ${all} shown${sorted ? `, ${sorted}` : ""}`
      + `${shown.size || !filters.length ? "" : ". Nothing matches: take a filter away"}`;
    active.hidden = filters.length === 0;
    active.replaceChildren(...filters.map((filter) => make("li", {}, button(filter.words, () => board.change(filter.clear), {
      "aria-label": `Clear ${filter.words}`,
    }))));
    const notes = [...board.view.notes];
    if (board.ignored.length) notes.unshift(`The address asks for what this board does not have: ${listWords(board.ignored)}. It is ignored`);
    notice.hidden = notes.length === 0;
    notice.textContent = notes.map((note) => `${note}.`).join(" ");
  }

  bench.boardTools = { enable, viewWords };
})(window.bench = window.bench || {});

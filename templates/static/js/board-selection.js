// Choosing rows of a board, to compare them or to look at them alone.
(function (bench) {
  "use strict";

  const { make, button, plural } = bench.dom;
  const MOST = 6;

  function enable(board) {
    for (const row of board.table.rows) {
      const box = make("input", { type: "checkbox", "aria-label": `Select ${row.values.name}` });
      box.addEventListener("change", () => board.change((state) => {
        state.sel = state.sel.filter((slug) => slug !== row.slug);
        if (box.checked) state.sel.push(row.slug);
      }));
      row.box = box;
      row.element.cells[0].prepend(make("label", { class: "pick" }, box));
    }
    const bar = makeBar(board);
    board.table.element.closest(".scroll").before(bar.element);
    board.onRender(() => render(board, bar));
  }

  function makeBar(board) {
    const words = make("span", { role: "status" });
    const compare = make("a", { class: "button" , text: "Compare selected" });
    const only = button("Show only selected", () => board.change((state) => { state.only = !state.only; }), { "aria-pressed": "false" });
    const clear = button("Clear selection", () => board.change((state) => { state.sel = []; }));
    const element = make("div", { class: "selection", hidden: true }, words, compare, only, clear);
    return { element, words, compare, only };
  }

  function render(board, bar) {
    const picked = new Set(board.state.sel);
    for (const row of board.table.rows) {
      const is = picked.has(row.slug);
      if (row.box.checked !== is) row.box.checked = is;
      row.element.classList.toggle("picked", is);
    }
    bar.element.hidden = picked.size === 0;
    const comparable = picked.size >= 2 && picked.size <= MOST;
    bar.words.textContent = `${plural(picked.size, "row")} selected${comparable ? "" : `; 2 to ${MOST} can be compared`}`;
    bar.compare.hidden = !comparable;
    bar.compare.href = `${board.table.element.dataset.compare}#${board.state.sel.join(",")}`;
    bar.only.setAttribute("aria-pressed", String(board.state.only));
  }

  bench.boardSelection = { enable };
})(window.bench = window.bench || {});

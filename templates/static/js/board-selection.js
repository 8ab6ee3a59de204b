// Choosing rows of a board, to compare them or to look at them alone.
(function (bench) {
  "use strict";

  const { make, button, plural } = bench.dom;
  const MOST = 6;

  const AT_ONCE = 50; // rows; what is on the first screen gets its boxes at once, the rest when there is time

  function enable(board) {
    const { table } = board;
    const bar = makeBar(board);
    const box = make("label", { class: "pick" }, make("input", { type: "checkbox" }));
    board.picked = new Set();
    board.boxOf = (row) => row.box || addBox(row, box);
    table.element.addEventListener("change", (event) => {
      const row = event.target.closest(".pick") && table.byElement.get(event.target.closest("tr"));
      if (!row) return;
      board.change((state) => {
        state.sel = state.sel.filter((slug) => slug !== row.slug);
        if (event.target.checked) state.sel.push(row.slug);
      });
    });
    table.element.closest(".scroll").before(bar.element);
    addBoxes(board, 0);
    board.onRender(() => render(board, bar));
  }

  function addBoxes(board, from) {
    const { rows } = board.table;
    rows.slice(from, from + AT_ONCE).forEach(board.boxOf);
    if (from + AT_ONCE < rows.length) bench.dom.later(() => addBoxes(board, from + AT_ONCE));
  }

  function addBox(row, box) {
    const place = row.cell("rank");
    const label = box.cloneNode(true);
    // Above a badge, else beside a rank.
    if (place.firstElementChild && place.firstElementChild.matches(".role, .status")) label.classList.add("above");
    row.box = label.firstChild;
    row.box.setAttribute("aria-label", `Select ${row.value("name")}`);
    place.prepend(label);
    return row.box;
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
      if (is === board.picked.has(row.slug)) continue;
      board.boxOf(row).checked = is;
      row.element.classList.toggle("picked", is);
    }
    board.picked = picked;
    bar.element.hidden = picked.size === 0;
    const comparable = picked.size >= 2 && picked.size <= MOST;
    bar.words.textContent = `${plural(picked.size, "row")} selected${comparable ? "" : `; 2 to ${MOST} can be compared`}`;
    bar.compare.hidden = !comparable;
    bar.compare.href = `${board.table.element.dataset.compare}#${board.state.sel.join(",")}`;
    bar.only.setAttribute("aria-pressed", String(board.state.only));
  }

  bench.boardSelection = { enable };
})(window.bench = window.bench || {});

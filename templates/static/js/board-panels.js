// Panels of a board that are built when they are opened: facets with counts, and the columns.
(function (bench) {
  "use strict";

  const { make, button } = bench.dom;

  const GRAMMAR = [
    ["fog haze", "rows with both words"],
    ['"one pixel"', "these words side by side"],
    ["-control", "rows without it"],
    ["family:generative", "a word in one column or facet"],
    ["accuracy<20", "numbers as shown: < <= > >= ="],
  ];

  function check(words, checked, listener) {
    const box = make("input", { type: "checkbox", checked });
    box.addEventListener("change", () => listener(box.checked));
    const count = make("span", { class: "count" });
    return { box, count, label: make("label", { class: "check" }, box, make("span", { text: words }), count) };
  }

  function filters(board, panel) {
    const controls = [];
    const groups = board.table.facets.filter((facet) => facet.options.length > 1).map((facet) => {
      const group = make("fieldset", {}, make("legend", { text: facet.label }));
      for (const option of facet.options) {
        const control = check(option.words, false, (checked) => board.change((state) => {
          const chosen = new Set(state.facets[facet.name] || []);
          if (checked) chosen.add(option.value);
          else chosen.delete(option.value);
          state.facets[facet.name] = [...chosen];
        }));
        controls.push({ ...control, facet: facet.name, value: option.value });
        group.append(control.label);
      }
      return group;
    });
    const complete = check("Complete rows only: a number in every shown column", false,
      (checked) => board.change((state) => { state.complete = checked; }));
    panel.append(make("div", { class: "facets" }, ...groups), complete.label, grammar(board));
    const render = () => {
      for (const control of controls) {
        const count = board.view.counts[control.facet][control.value] || 0;
        control.box.checked = (board.state.facets[control.facet] || []).includes(control.value);
        control.count.textContent = String(count);
        control.label.classList.toggle("nothing", count === 0);
      }
      complete.box.checked = board.state.complete;
    };
    board.onRender(render);
    render();
  }

  function grammar(board) {
    const rows = GRAMMAR.map(([example, meaning]) => make("div", {}, make("dt", {}, make("code", { text: example })), make("dd", { text: meaning })));
    const names = Object.keys(board.table.searchable).join(", ");
    return make("div", { class: "grammar" },
      make("p", { text: "The text filter understands:" }),
      make("dl", {}, ...rows),
      make("p", { text: `Names of columns and facets: ${names}.` }));
  }

  function columns(board, panel) {
    const controls = board.table.columns.map((column) => {
      const kept = !board.table.known.hideable.includes(column.key);
      const control = check(column.label, true, (checked) => board.change((state) => {
        state.hide = state.hide.filter((key) => key !== column.key);
        if (!checked) state.hide.push(column.key);
      }));
      control.box.disabled = kept;
      return { ...control, key: column.key };
    });
    const every = button("Show all columns", () => board.change((state) => { state.hide = []; }));
    panel.append(make("div", { class: "choices" }, ...controls.map((control) => control.label)), every);
    const render = () => {
      for (const control of controls) control.box.checked = !board.state.hide.includes(control.key);
      every.disabled = board.state.hide.length === 0;
    };
    board.onRender(render);
    render();
  }

  bench.boardPanels = { filters, columns };
})(window.bench = window.bench || {});

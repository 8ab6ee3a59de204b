// The interactive board: one state, kept in the address, and the table as that state shows it.
(function (bench) {
  "use strict";

  const { make } = bench.dom;
  const address = bench.address;

  function start(element, tools) {
    const table = bench.rows.readTable(element);
    if (table.rows.length === 0) return;
    const board = { table, tools, state: address.empty(), listeners: [], ignored: [], typing: false };
    board.change = (edit, how) => change(board, edit, how);
    board.onRender = (listener) => board.listeners.push(listener);
    enableHeaders(board);
    bench.boardSelection.enable(board);
    bench.boardTools.enable(board);
    followAddress(board);
    keepHeaderInView(board);
    bench.longTables.enable(element);
    bench.dom.whenRead(returnToPlace);
    document.addEventListener("bench:brush", (event) => {
      board.change((state) => { state.sel = event.detail.slugs.filter((slug) => table.known.slugs.has(slug)); }, "replace");
    });
  }

  // Address

  function followAddress(board) {
    const read = () => {
      const fragment = location.hash.slice(1);
      if (!address.isView(fragment)) return;
      const { state, ignored } = address.decode(fragment, board.table.known);
      board.ignored = ignored;
      board.typing = false;
      show(board, state);
    };
    window.addEventListener("popstate", read);
    window.addEventListener("hashchange", read);
    read();
    if (!address.isView(location.hash.slice(1))) show(board, board.state);
  }

  // The bar and the frame of the table have moved what an address like #charts points to.
  function returnToPlace() {
    const fragment = location.hash.slice(1);
    const place = address.isView(fragment) ? null : document.getElementById(fragment);
    if (place) requestAnimationFrame(() => requestAnimationFrame(() => place.scrollIntoView({ behavior: "instant" })));
  }

  // edit changes a copy of the state. how: "push" for a step that Back undoes, "replace" for one that joins the last.
  function change(board, edit, how = "push") {
    const state = structuredClone(board.state);
    edit(state);
    if (!state.sel.length) state.only = false;
    const before = address.encode(board.state, board.table.known);
    const fragment = address.encode(state, board.table.known);
    board.ignored = [];
    if (fragment !== before || (address.isView(location.hash.slice(1)) && location.hash.slice(1) !== fragment)) {
      const url = fragment ? `#${fragment}` : location.pathname + location.search;
      if (how === "replace") history.replaceState(null, "", url);
      else history.pushState(null, "", url);
    }
    show(board, state);
  }

  // Table

  function show(board, state) {
    const { table } = board;
    const previous = board.view ? board.state : null;
    board.state = state;
    if (!previous || JSON.stringify(previous.sort) !== JSON.stringify(state.sort)) order(board, previous === null);
    const columnsChanged = !previous || JSON.stringify(previous.hide) !== JSON.stringify(state.hide);
    if (columnsChanged) hideColumns(table, state, previous === null);
    board.view = bench.rows.filter(table, state);
    for (const row of table.rows) {
      const hidden = !board.view.shown.has(row);
      if (row.hidden !== hidden) row.element.hidden = row.hidden = hidden;
    }
    hideEmptyGroups(board);
    board.listeners.forEach((listener) => listener(board, columnsChanged));
  }

  // Rows move within their group only; a heading of a group stays where it is.
  function order(board, first) {
    const { table, state } = board;
    markHeaders(board);
    if (first && !state.sort.length) return;
    const compare = bench.rows.comparison(table, state.sort);
    for (const body of table.element.tBodies) {
      const rows = Array.from(body.rows).map((element) => table.byElement.get(element)).filter(Boolean);
      body.append(...rows.sort(compare).map((row) => row.element));
    }
  }

  function hideColumns(table, state, first) {
    if (first && !state.hide.length) return;
    for (const column of table.columns) {
      const hidden = state.hide.includes(column.key);
      if (column.header.hidden === hidden) continue;
      column.header.hidden = hidden;
      for (const row of table.rows) row.element.cells[column.index].hidden = hidden;
    }
    const count = bench.rows.shownColumns(table, state).length;
    table.element.querySelectorAll("tbody [colspan]").forEach((cell) => { cell.colSpan = count; });
  }

  function hideEmptyGroups(board) {
    for (const heading of board.table.element.querySelectorAll(".group-name")) {
      heading.hidden = !Array.from(heading.parentElement.rows).some((element) => board.view.shown.has(board.table.byElement.get(element)));
    }
  }

  // Headers

  function enableHeaders(board) {
    for (const column of board.table.columns) {
      const mark = make("span", { class: "mark", "aria-hidden": "true" });
      const place = make("span", { class: "unseen" });
      const control = make("button", { type: "button", title: "Sort by this column; with Shift, also by this column" });
      control.append(...column.header.childNodes, mark, place);
      column.header.replaceChildren(control);
      column.marks = { mark, place };
      control.addEventListener("click", (event) => sortBy(board, column.key, event.shiftKey));
      control.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || !event.shiftKey) return;
        event.preventDefault(); // no click follows
        sortBy(board, column.key, true);
      });
    }
  }

  // Up, down; an added key goes up, down, away.
  function sortBy(board, key, add) {
    board.change((state) => {
      const found = state.sort.find((item) => item.key === key);
      if (!add) state.sort = [{ key, descending: state.sort.length === 1 && found !== undefined && !found.descending }];
      else if (!found) state.sort.push({ key, descending: false });
      else if (!found.descending) found.descending = true;
      else state.sort = state.sort.filter((item) => item !== found);
    });
  }

  function markHeaders(board) {
    for (const column of board.table.columns) {
      const index = board.state.sort.findIndex((item) => item.key === column.key);
      const direction = index < 0 ? "" : board.state.sort[index].descending ? "descending" : "ascending";
      if (index === 0) column.header.setAttribute("aria-sort", direction);
      else column.header.removeAttribute("aria-sort");
      const arrow = { "": "\u2195", ascending: "\u2191", descending: "\u2193" }[direction];
      column.marks.mark.textContent = arrow + (index >= 0 && board.state.sort.length > 1 ? String(index + 1) : "");
      column.marks.mark.classList.toggle("used", index >= 0);
      column.marks.place.textContent = index > 0 ? `, sort key ${index + 1}, ${direction}` : "";
    }
  }

  // A table as wide as the page lets its header stick to the page; a wider one scrolls in a frame of its own.
  function keepHeaderInView(board) {
    const { element } = board.table;
    const region = element.closest(".scroll");
    const measure = () => region.classList.toggle("fits", element.offsetWidth <= region.clientWidth);
    region.classList.add("framed", "fits"); // most tables fit, and a wrong guess costs a second layout
    if ("ResizeObserver" in window) {
      let width = 0;
      new ResizeObserver(() => {
        if (region.clientWidth === width) return;
        width = region.clientWidth;
        requestAnimationFrame(measure);
      }).observe(region);
    }
    board.onRender((_, changed) => { if (changed) requestAnimationFrame(measure); });
  }

  bench.board = { start };
})(window.bench = window.bench || {});

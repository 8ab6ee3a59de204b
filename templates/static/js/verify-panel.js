// "Verify in this browser": loads the result documents behind a page, or takes chosen files, and says what it found.
(function (bench) {
  "use strict";

  const { make, button, plural } = bench.dom;
  const AT_ONCE = 4;

  // What one row of a board shows of its result.
  function boardClaims(board, row) {
    return board.table.columns.filter((column) => column.metric).map((column) => {
      const cell = row.element.cells[column.index];
      return claim(column.short, cell.querySelector(".mean"), cell, row.value(column.key), column);
    });
  }

  function claim(words, mean, cell, value, { metric, conditions, worst }) {
    const shown = mean || cell.querySelector(".status") || cell;
    return { words, text: shown.textContent.trim(), number: mean !== null, value, metric, conditions, worst };
  }

  function boardTargets(board) {
    return board.table.rows.filter((row) => row.data.result && board.view.shown.has(row)).map((row) => ({
      words: row.value("name"), url: row.data.result, id: row.data.id, claims: boardClaims(board, row),
    }));
  }

  // Sections of a submission's page: their tables name metric and condition of each row.
  function sectionTargets(section) {
    const claims = Array.from(section.querySelectorAll("tr[data-metric]"), (row) => {
      const cell = row.cells[1];
      const missing = cell.querySelector(".status");
      return {
        words: row.cells[0].textContent.trim(), text: cell.textContent.trim(), number: !missing, value: null,
        metric: row.dataset.metric, conditions: [row.dataset.condition], worst: "",
      };
    });
    return [{ words: section.dataset.verify, url: section.dataset.verify, id: section.dataset.id, claims }];
  }

  async function checkText(target, text) {
    const { document, problems } = await bench.verification.checkDocument(text);
    if (!document) return { target, problems, numbers: 0, means: 0 };
    if (document.id !== target.id) problems.unshift(`is another result than this page was made from, ${document.id}`);
    const claims = bench.verification.checkClaims(document, target.claims);
    const means = document.outcome.measurements.filter((item) => item.per_seed).length;
    return { target, problems: [...problems, ...claims.problems], numbers: claims.checked, means };
  }

  async function load(target) {
    try {
      const response = await fetch(target.url, { cache: "no-store" });
      if (!response.ok) return { target, problems: [`could not be loaded: status ${response.status}`], numbers: 0, means: 0 };
      return await checkText(target, await response.text());
    } catch (error) {
      return { target, problems: ["could not be loaded or read"], numbers: 0, means: 0 };
    }
  }

  async function checkAll(targets, check, progress) {
    const found = new Array(targets.length);
    let next = 0;
    const work = async () => {
      while (next < targets.length) {
        const index = next;
        next += 1;
        found[index] = await check(targets[index]);
        progress(found.filter(Boolean).length);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, targets.length) }, work));
    return found;
  }

  // Chosen files belong to the row whose result they claim to be; others are not looked at.
  async function readFiles(files, targets) {
    const texts = new Map();
    for (const file of files) {
      if (!file.name.endsWith(".json")) continue;
      const text = await file.text();
      const found = /"id":"(sha256:[0-9a-f]{64})"/.exec(text.slice(0, 200));
      const byName = targets.find((target) => target.url.endsWith(`/${file.name}`) || target.url === file.name);
      const id = byName ? byName.id : found && found[1];
      if (id) texts.set(id, text);
    }
    return texts;
  }

  function fillPanel(panel, targetsOf) {
    const said = make("p", { class: "found-words", role: "status" });
    const list = make("ul", { class: "verified", tabindex: "0", "aria-label": "Results one by one", hidden: true });
    const run = async (check) => {
      const targets = targetsOf();
      list.replaceChildren();
      said.className = "found-words";
      said.textContent = `Checking ${plural(targets.length, "result")}.`;
      const found = await checkAll(targets, check, (done) => { said.textContent = `Checked ${done} of ${targets.length}.`; });
      report(found, said, list);
    };
    const files = make("input", { type: "file", multiple: true, accept: ".json,application/json" });
    const folder = make("input", { type: "file", multiple: true });
    folder.webkitdirectory = true;
    for (const input of [files, folder]) {
      input.addEventListener("change", async () => {
        const texts = await readFiles(input.files, targetsOf());
        await run((target) => (texts.has(target.id) ? checkText(target, texts.get(target.id))
          : { target, problems: ["was not among the chosen files"], numbers: 0, means: 0 }));
      });
    }
    const local = location.protocol === "file:";
    panel.append(
      make("p", { text: "Recomputes in this browser what the page claims: the digests (key, id and seal) of every result document, "
        + "means and deviations from the values by seed, and whether the numbers shown here are those of the document." }),
      make("div", { class: "doing" },
        ...(local ? [] : [button("Verify in this browser", () => run(load))]),
        make("label", {}, make("span", { text: local ? "Choose result files (.json)" : "or choose result files (.json)" }), files),
        make("label", {}, make("span", { text: "or a folder of the site" }), folder)),
      ...(local ? [make("p", { text: "Pages from a disk may not load other files by themselves: choose the results or the folder of the site." })] : []),
      said, list,
    );
  }

  function report(found, said, list) {
    const wrong = found.filter((item) => item.problems.length);
    const sum = (name) => found.reduce((total, item) => total + item[name], 0);
    list.hidden = found.length === 0;
    list.replaceChildren(...found.map((item) => make("li", { class: item.problems.length ? "differs" : "holds" },
      make("strong", { text: item.problems.length ? "differs" : "verified" }), " ",
      make("bdi", { text: item.target.words }),
      item.problems.length ? `: ${item.problems.join("; ")}` : "")));
    const all = found.length > 0 && wrong.length === 0;
    said.className = `found-words ${all ? "holds" : "differs"}`;
    if (!found.length) said.textContent = "No row with a result is shown, so there is nothing to verify.";
    else if (all) {
      said.textContent = `All ${plural(found.length, "result")} verified: digests, ${plural(sum("means"), "mean")} recomputed from seeds, `
        + `and ${plural(sum("numbers"), "cell")} of this page compared with the documents.`;
    } else said.textContent = `${wrong.length} of ${plural(found.length, "result")} could not be verified.`;
  }

  function buildForBoard(board, panel) {
    fillPanel(panel, () => boardTargets(board));
  }

  function enableSection(section) {
    const panel = make("div", { class: "panel", id: `verify-${section.dataset.protocol}`, role: "group", "aria-label": "Verify", hidden: true });
    const toggle = bench.dom.disclosure("Verify in this browser", panel, (place) => fillPanel(place, () => sectionTargets(section)));
    section.querySelector("[data-verify-here]").after(make("div", { class: "tools" }, toggle), panel);
  }

  bench.verifyPanel = { buildForBoard, enableSection };
})(window.bench = window.bench || {});

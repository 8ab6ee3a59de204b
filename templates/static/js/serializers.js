// A view of a board as CSV, JSON, LaTeX, Markdown and BibTeX. Pure functions of columns, rows and what is cited.
//
// columns: { key, label, kind, unit } in the order shown. rows: { slug, group, facets, ties, bibtex, cells } in the order shown;
// cells by key: { text, interval, note, value, low, high }, texts as on the page, numbers as stored, null where missing.
// cited: { title, protocol, newest, digest, shown, all, view, url }.
(function (bench) {
  "use strict";

  const FORMULA = /^[=+\-@\t\r]/;

  function oneLine(text) {
    return text.replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, " ").trim();
  }

  function numeric(column) {
    return column.kind === "number" && column.key !== "rank";
  }

  function citation(cited) {
    const newest = cited.newest ? `newest result of ${cited.newest}` : "no result yet";
    return `Unlearnability Bench, board “${oneLine(cited.title)}”, protocol ${cited.protocol}, ${newest}, `
      + `board digest ${cited.digest}; ${cited.shown} of ${cited.all} rows${cited.view ? `, ${cited.view}` : ""}. ${cited.url}`;
  }

  // Texts that a spreadsheet could take for a formula start with an apostrophe; numbers stay numbers.
  function csvCell(value) {
    if (value === null) return "";
    if (typeof value === "number") return String(value);
    const text = FORMULA.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  }

  function csv(columns, rows) {
    const facets = facetNames(rows).filter((name) => !columns.some((column) => column.key === name));
    const header = ["slug", ...facets, "ties"];
    for (const column of columns) {
      header.push(column.key);
      if (numeric(column)) header.push(`${column.key}_low`, `${column.key}_high`, `${column.key}_shown`, `${column.key}_note`);
    }
    const lines = rows.map((row) => {
      const line = [row.slug, ...facets.map((name) => row.facets[name] || ""), row.ties];
      for (const column of columns) {
        const cell = row.cells[column.key];
        if (numeric(column)) line.push(cell.value, cell.low, cell.high, cell.text, cell.note);
        else line.push(cell.text);
      }
      return line;
    });
    return [header, ...lines].map((line) => line.map(csvCell).join(",") + "\n").join("");
  }

  function facetNames(rows) {
    return [...new Set(rows.flatMap((row) => Object.keys(row.facets)))];
  }

  function json(columns, rows, cited) {
    const document = {
      schema: "bench.view/1",
      citation: citation(cited),
      protocol: cited.protocol, digest: cited.digest, newest: cited.newest, url: cited.url,
      columns: columns.map(({ key, label, unit }) => ({ key, label, unit })),
      rows: rows.map((row) => ({
        slug: row.slug, group: row.group, ties: row.ties, facets: row.facets,
        cells: Object.fromEntries(columns.map((column) => [column.key, row.cells[column.key]])),
      })),
    };
    return JSON.stringify(document, null, 2) + "\n";
  }

  const LATEX = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%", "_": "\\_",
    "^": "\\textasciicircum{}", "~": "\\textasciitilde{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}",
    "[": "{[}", "]": "{]}", "`": "\\textasciigrave{}", '"': "\\textquotedbl{}",
    "\u2212": "$-$", "\u00b1": "$\\pm$", "\u202f": "\\,", "\u00a0": "~", "\u2026": "\\ldots{}",
  };
  const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g; // marks that turn text around, an error to TeX

  // What pdfLaTeX sets, as in exports/latex.py; other letters stop it, so it gets the slug instead.
  const PDFLATEX = new RegExp("^[ -~\\u00a0-\\u0125\\u0128-\\u0137\\u0139-\\u013e\\u0141-\\u0148\\u014a-\\u0165\\u0168-\\u017e"
    + "\\u202f\\u2212\\u2013\\u2014\\u2018-\\u201a\\u201c-\\u201e\\u2026\\u20ac\\u2122]*$");

  function escapeLatex(text) {
    return oneLine(text.replace(DIRECTION, "")).replace(/[\\{}$&#%_^~<>|[\]`"\u2212\u00b1\u202f\u00a0\u2026]/g, (found) => LATEX[found]);
  }

  function latexCell(column, row) {
    const cell = row.cells[column.key];
    if (column.key === "rank") return escapeLatex(cell.text) + (row.ties ? `\\textsuperscript{${escapeLatex(row.ties)}}` : "");
    if (column.key === "name" && !PDFLATEX.test(cell.text)) {
      return `\\ifdefined\\Umathchar ${escapeLatex(cell.text)}\\else ${escapeLatex(row.slug)}\\fi`;
    }
    if (!numeric(column)) return escapeLatex(cell.text);
    if (cell.value === null) return `\\textit{${escapeLatex(cell.text)}}`;
    return escapeLatex(cell.text) + (cell.low === null ? "" : ` {\\scriptsize (${escapeLatex(cell.interval)})}`);
  }

  function latex(columns, rows, cited) {
    const lines = [
      "% Needs \\usepackage{booktabs} and, with pdfLaTeX, \\usepackage[T1]{fontenc}; names in other scripts need XeLaTeX or LuaLaTeX.",
      "% Brackets: 95 % interval. Raised letters: methods that share one cannot be told apart.",
      `% ${citation(cited)}`,
      `\\begin{tabular}{${columns.map((column) => (numeric(column) ? "r" : "l")).join("")}}`,
      "\\toprule",
      `${columns.map((column) => escapeLatex(column.label)).join(" & ")} \\\\`,
    ];
    let group = null;
    for (const row of rows) {
      if (row.group !== group) lines.push("\\midrule");
      group = row.group;
      lines.push(`${columns.map((column) => latexCell(column, row)).join(" & ")} \\\\`);
    }
    if (!rows.length) lines.push("\\midrule");
    return [...lines, "\\bottomrule", "\\end{tabular}", ""].join("\n");
  }

  function entities(text) {
    return oneLine(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  }

  // Nothing in a name becomes markup, a table's border or a link.
  function escapeMarkdown(text) {
    return entities(text).replace(/[\\`*_[\]|~]/g, "\\$&").replace(/:\/\//g, "\\://").replace(/\bwww\./gi, (found) => `${found.slice(0, -1)}\\.`);
  }

  function markdownCell(column, row) {
    const cell = row.cells[column.key];
    if (column.key === "rank") return escapeMarkdown(cell.text) + (row.ties ? ` (tie ${escapeMarkdown(row.ties)})` : "");
    if (!numeric(column)) return escapeMarkdown(cell.text);
    if (cell.value === null) return `*${escapeMarkdown(cell.text)}*`;
    return escapeMarkdown(cell.text) + (cell.low === null ? "" : ` (${escapeMarkdown(cell.interval)})`);
  }

  function markdown(columns, rows, cited) {
    const line = (cells) => `| ${cells.join(" | ")} |`;
    return [
      line(columns.map((column) => escapeMarkdown(column.label))),
      line(columns.map((column) => (numeric(column) ? "---:" : "---"))),
      ...rows.map((row) => line(columns.map((column) => markdownCell(column, row)))),
      "",
      escapeMarkdown(citation({ ...cited, url: "" }).trim()) + ` <${cited.url}>`,
      "",
    ].join("\n");
  }

  // Entries stand as their authors state them; a method without one is named in a comment.
  function bibtex(columns, rows, cited) {
    const entries = rows.map((row) => row.bibtex || `% ${oneLine(row.cells.name.text)} (${row.slug}): its author states no entry`);
    return [`% ${citation(cited)}`, ...new Set(entries), ""].join("\n\n");
  }

  bench.serializers = { citation, csv, json, latex, markdown, bibtex, escapeLatex };
})(window.bench = window.bench || {});

"""LaTeX: the ranking of a board as a booktabs table, ready for a paper.

Imports the table of a board and plain wording; never torch.
"""

import re

from bench.leaderboard.exports.table import BoardTable, TableRow, standing_words, tier_words
from bench.leaderboard.wording import MINUS, show

_COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "`": r"\textasciigrave{}",
    # After the end of a line a bracket would be its argument, and so would an asterisk.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    MINUS: "$-$",
    "\u202f": r"\,",
    "\u00a0": "~",
}

_LIGATURE = re.compile(r"([-',])(?=\1)")
"""What TeX would join with its neighbor into another character: `--` into a dash."""


_PDFLATEX = re.compile(
    "[ -~\u00a0-\u0125\u0128-\u0137\u0139-\u013e\u0141-\u0148\u014a-\u0165\u0168-\u017e"
    "\u2013\u2014\u2018-\u201a\u201c-\u201e\u2026\u20ac\u2122]*"
)
"""Letters that pdfLaTeX sets without further packages, tried one by one with TeX Live 2022 and T1 fonts."""


def latex_text(text: str) -> str:
    r"""Return a text that LaTeX sets as it is: no command, no special character, one line.

    Braces become commands, so that those of the result are balanced whatever the text says. Characters that do not
    print, such as those that reorder text, are named as U+XXXX.
    """
    plain = "".join(_character(character) for character in " ".join(text.splitlines()))
    return _LIGATURE.sub(r"\1{}", plain)


def board_latex(table: BoardTable) -> bytes:
    """Return the ranking of a board as a table: rank, ties, method, mean with interval, seeds, tier; then a note.

    The note names protocol, digests and the day of the newest run, so that a printed table can be found again.
    """
    lines = [
        r"% Needs \usepackage{booktabs} and, with pdfLaTeX, \usepackage[T1]{fontenc}.",
        r"% Names in other scripts than Latin need XeLaTeX or LuaLaTeX; pdfLaTeX sets their short name instead.",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(table.protocol.title)}}}",
        rf"\label{{tab:{table.protocol.id}}}",
        r"\small",
        r"\setlength{\tabcolsep}{4pt}",
        r"\begin{tabular}{llp{0.28\linewidth}p{0.28\linewidth}ll}",
        r"\toprule",
        rf"Rank & Ties & Method & {latex_text(table.metric.label)} & Seeds & Tier \\",
        r"\midrule",
        *_body(table),
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\smallskip",
        rf"\parbox{{\linewidth}}{{\footnotesize {latex_text(note(table))}}}",
        r"\end{table}",
    ]
    return ("\n".join(lines) + "\n").encode()


def note(table: BoardTable) -> str:
    """Say what a printed ranking rests on: what it is ordered by, the protocol, the digests and the day."""
    keeping = any(row.place and row.place.keeps is not None for row in table.rows)
    first = "First the methods that keep the test accuracy of retraining, then the others. " if keeping else ""
    return (
        f"{first}Ordered by: {table.score_words}; mean over seeds with its 95 % interval. Ranks are intervals, and "
        f"methods that share a letter cannot be told apart. Protocol {table.protocol.id}, "
        f"digest {_short(table.sha256)}; board digest {_short(table.digest)}; "
        f"newest run {table.measured or 'not recorded'}."
    )


def _body(table: BoardTable) -> list[str]:
    ranked, rest = list(table.ranked), [row for row in table.rows if not row.place and row.stored]
    lines = [_line(table, row) for row in ranked] or [r"\multicolumn{6}{l}{No ranked submission yet.} \\"]
    return [*lines, *([r"\midrule"] if rest else []), *(_line(table, row) for row in rest)]


def _line(table: BoardTable, row: TableRow) -> str:
    shown = show(table.metric, row.score)
    rank = row.place.text if row.place else standing_words(row, 0)
    ties = ", ".join(row.place.ties) if row.place else ""
    interval = f" ({shown.interval})" if shown.interval else ""
    first = (latex_text(rank), latex_text(ties), method_cell(row.name, row.slug))
    rest = (f"{shown.text}{interval}", str(shown.n) if shown.measured else "", tier_words(row))
    return rf"{' & '.join((*first, *map(latex_text, rest)))} \\"


def method_cell(name: str, slug: str) -> str:
    """Return a method's name as LaTeX and, for pdfLaTeX, its slug where the name would stop it.

    XeLaTeX and LuaLaTeX alone know Umathchar.
    """
    text = latex_text(name)
    return text if _PDFLATEX.fullmatch(text) else rf"\ifdefined\Umathchar {text}\else {latex_text(slug)}\fi"


def _short(value: str) -> str:
    return value.removeprefix("sha256:")[:16]


def _character(character: str) -> str:
    if character in _COMMANDS:
        return _COMMANDS[character]
    return character if character.isprintable() else f"U+{ord(character):04X}"

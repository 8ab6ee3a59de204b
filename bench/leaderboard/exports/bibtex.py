"""BibTeX: what to cite for a board, one entry with a unique key for each thing.

An author's own BibTeX is taken apart and written anew: only known kinds of entries, known fields and plain text pass.
Imports the records and the catalog; never torch.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.leaderboard.exports.latex import latex_text
from bench.leaderboard.exports.table import BoardTable
from bench.leaderboard.sources import Sources
from bench.metrics.catalog import METRICS
from bench.submission import AnyManifest

_KINDS = """
article book booklet conference dataset inbook incollection inproceedings manual mastersthesis misc online phdthesis
preprint proceedings report software techreport thesis unpublished
"""
KINDS = frozenset(_KINDS.split())
"""Kinds of entries that are taken over; none of them defines or runs anything."""

_FIELDS = """
address archiveprefix author booktitle chapter date doi edition editor eprint eprinttype howpublished institution isbn
issn journal journaltitle key keywords language location month note number organization pages primaryclass publisher
school series title type url urldate version volume year
"""
FIELDS = frozenset(_FIELDS.split())
ADDRESSES = frozenset({"doi", "url"})

_COMMAND = re.compile(r"\\(?:[a-zA-Z]+|.)", re.DOTALL)
_SAFE_COMMAND = re.compile(r"\\(?:[&%$#_\"'`^~=.-]|[bcdHkrtuv]|aa|AA|ae|AE|oe|OE|o|O|l|L|ss|i|j)\Z")
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_ADDRESS = re.compile(r"(?:https?://|10\.)[!#$%&()*+,./0-9:;=?@A-Z_a-z~-]+")
_ESCAPED = re.compile(r"\\([#$%&_~])")
_HEAD = re.compile(r"\s*@\s*([A-Za-z]+)\s*\{\s*([^\s,{}]*)\s*,")
_FIELD = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*")
_NUMBER = re.compile(r"\d+|[A-Za-z]{3,9}(?=\s*[,}])")


@dataclass(frozen=True)
class BibEntry:
    """A BibTeX entry. fields: values without their braces, as BibTeX source whose braces are balanced."""

    kind: str
    fields: Mapping[str, str]


class NotPlainBibtex(ValueError):
    """A BibTeX text that is not taken over, with the reason."""


def board_bibtex(sources: Sources, table: BoardTable) -> bytes:
    """Return the entries of a board: the board itself, its submissions that are shown, and where its metrics are from.

    Keys are made here, from slugs and identifiers, so that none is used twice.
    """
    entries = {entry.slug: entry for entry in sources.naming(table.protocol)}
    parts = [_entry(f"board-{table.protocol.id}", _board(table))]
    for row in sorted(table.rows, key=lambda row: row.slug):
        if row.stored:
            parts += _submission(entries[row.slug].manifest)
    parts += [_entry(f"arxiv-{number}", _preprint(number)) for number in arxiv_numbers(table)]
    return "\n".join(parts).encode()


def arxiv_numbers(table: BoardTable) -> list[str]:
    """Return the arXiv numbers that the catalog names as sources of the metrics on a board, sorted."""
    metrics = {value.metric for row in table.rows for value in row.values} & METRICS.keys() | {table.metric.key}
    return sorted({number for key in metrics for number in _ARXIV.findall(METRICS[key].source)})


def parse_bibtex(text: str) -> list[BibEntry]:
    """Take a BibTeX text apart. Raises NotPlainBibtex for anything but entries of KINDS with plain values.

    Fields that are not in FIELDS are left out. Of TeX commands only accents and escaped characters may appear.
    """
    entries, rest = [], text.strip()
    while rest:
        head = _HEAD.match(rest)
        if head is None:
            raise NotPlainBibtex("it holds something that is no entry")
        kind = head.group(1).lower()
        if kind not in KINDS:
            raise NotPlainBibtex("it holds an entry of a kind that is not taken over")
        fields, rest = _fields(rest[head.end() :])
        entries.append(BibEntry(kind, {name: value for name, value in fields.items() if name in FIELDS}))
        rest = rest.strip()
    if not entries:
        raise NotPlainBibtex("it holds no entry")
    return entries


def _submission(manifest: AnyManifest) -> Iterator[str]:
    """Yield what a submission asks to be cited by; what the manifest says of it where its BibTeX is not plain."""
    try:
        entries = parse_bibtex(manifest.cite.bibtex) if manifest.cite else []
    except NotPlainBibtex as error:
        yield f"% The submission {manifest.slug} brings BibTeX that is not taken over: {error}.\n"
        entries = []
    for position, entry in enumerate(entries or [_from_manifest(manifest)]):
        # A slug holds no colon, so no two keys are equal.
        yield _entry(f"submission:{manifest.slug}{f':{position + 1}' if position else ''}", entry)


def _from_manifest(manifest: AnyManifest) -> BibEntry:
    fields = {
        "author": " and ".join(f"{{{latex_text(author.name)}}}" for author in manifest.authors),
        "title": f"{{{latex_text(manifest.method.name)}}}",
        "year": str(manifest.submitted.year),
        "note": f"Submission {latex_text(manifest.slug)} to Unlearnability Bench",
    }
    if manifest.links.paper:
        fields["url"] = manifest.links.paper  # set by commands that take it as it is; it holds no brace
    return BibEntry("misc", fields)


def _board(table: BoardTable) -> BibEntry:
    when = {"year": table.measured[:4]} if table.measured else {}
    words = (
        f"Protocol {table.protocol.id} ({table.sha256}), board digest {table.digest}, "
        f"newest run {table.measured or 'not recorded'}"
    )
    title = f"{{Unlearnability Bench: {latex_text(table.protocol.title)}}}"
    return BibEntry("misc", {"title": title, **when, "note": latex_text(words)})


def _preprint(number: str) -> BibEntry:
    return BibEntry(
        "misc",
        {
            "title": f"{{arXiv:{number}}}",
            "eprint": number,
            "archiveprefix": "arXiv",
            "url": f"https://arxiv.org/abs/{number}",
            "year": f"20{number[:2]}",
        },
    )


def _entry(key: str, entry: BibEntry) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in entry.fields.items())
    return f"@{entry.kind}{{{key},\n{lines}}}\n"


def _fields(rest: str) -> tuple[dict[str, str], str]:
    """Return the fields of an entry by lower-case name, and what follows the entry."""
    fields: dict[str, str] = {}
    while True:
        rest = rest.lstrip()
        if rest.startswith("}"):
            return fields, rest[1:]
        name = _FIELD.match(rest)
        if name is None:
            raise NotPlainBibtex("a field has no name, or an entry has no end")
        key = name.group(1).lower()
        value, rest = _value(rest[name.end() :])
        fields.setdefault(key, _address(value) if key in ADDRESSES else _plain(value))
        rest = rest.lstrip().removeprefix(",")


def _value(rest: str) -> tuple[str, str]:
    if rest.startswith(("{", '"')):
        length = _closing(rest)
        value, rest = rest[1:length], rest[length + 1 :]
    else:
        number = _NUMBER.match(rest)
        if number is None:
            raise NotPlainBibtex("a value is neither in braces nor in quotes nor a number")
        value, rest = number.group(), rest[number.end() :]
    if not rest.lstrip().startswith((",", "}")):
        raise NotPlainBibtex("a value is put together from several")
    return value, rest


def _closing(text: str) -> int:
    """Return where the value that starts a text ends: the place of its closing brace or quote."""
    depth, end = 0, "}" if text[0] == "{" else '"'
    for position, character in enumerate(text[1:], start=1):
        if character == end and depth == 0:
            return position
        depth += (character == "{") - (character == "}")
        if depth < 0:
            break
    raise NotPlainBibtex("its braces or quotes are not balanced")


def _address(value: str) -> str:
    """Return a link or an identifier as it is, without the escapes that some add. Raises NotPlainBibtex."""
    text = _ESCAPED.sub(r"\1", "".join(value.split()))
    if not _ADDRESS.fullmatch(text):
        raise NotPlainBibtex("a link or an identifier holds a character that such things do not have")
    return text


def _plain(value: str) -> str:
    """Return a value in one line without what TeX would run or stumble over."""
    for command in _COMMAND.findall(value):
        if not _SAFE_COMMAND.match(command):
            raise NotPlainBibtex("it holds a TeX command that is neither an accent nor an escaped character")
    text = " ".join(value.split())
    if not text.isprintable():
        raise NotPlainBibtex("it holds a character that does not print")
    bare = _COMMAND.sub("", text)
    if any(character in bare for character in "\\$#%&^~_"):
        text = _escape_bare(text)
    return text


def _escape_bare(text: str) -> str:
    """Escape special characters outside commands, leaving braces and commands as they are."""
    parts, last = [], 0
    for match in _COMMAND.finditer(text):
        parts += [_escaped(text[last : match.start()]), match.group()]
        last = match.end()
    return "".join([*parts, _escaped(text[last:])])


def _escaped(text: str) -> str:
    return "".join(
        latex_text(character) if character in "\\$#%&^_" else " " if character == "~" else character
        for character in text
    )

"""What is wrong with the text of a manifest, in words an author can act on, each with its line.

May import pydantic, bench.errors and records; opens no file, so it needs no numpy.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bench.problems import Problem, quoted, visible
from bench.submission import (
    ENTRY_LIMIT,
    MANIFEST_NAME,
    Artifact,
    ArtifactDraft,
    CraftRecipe,
    manifest_model,
    manifest_table,
)
from bench.toml_lines import NumberTooLong, key_lines, line_of, pointer_to

FILL_IN = "FILL-IN"
"""How the placeholders of `bench new` begin; a manifest that still holds one is not ready."""

SHOWN_LIMIT = 200
"""Problems of one manifest that are explained; of more, their number is."""


@dataclass(frozen=True)
class ManifestText:
    """A manifest that TOML accepts: its values, and where they stand. What it says may still be wrong.

    shown: the path that problems name.
    """

    shown: str
    table: dict[str, Any]
    lines: dict[str, int]

    @property
    def model(self) -> type[BaseModel]:
        """What the manifest is read as: that of its track."""
        return manifest_model(self.table)

    def problem(self, pointer: str, code: str, message: str, remedy: str, **more: Any) -> Problem:
        """Return a problem at a JSON pointer of this manifest, with its line."""
        return Problem(self.shown, pointer, code, message, remedy, line=line_of(self.lines, pointer), **more)

    def entries(self, key: str) -> list[tuple[int, Any]]:
        """Return the elements of an array with their indices; none where the key holds something else.

        Of more elements than a manifest may have, which is a problem of its own, the first ENTRY_LIMIT.
        """
        value = self.table.get(key)
        return list(enumerate(value[:ENTRY_LIMIT])) if isinstance(value, tuple) else []

    def artifacts(self) -> list[tuple[int, ArtifactDraft]]:
        """Return what can be used of each artifact, with their indices."""
        return list(self._drafts)

    @cached_property
    def _drafts(self) -> tuple[tuple[int, ArtifactDraft], ...]:
        return tuple((index, _draft(entry)) for index, entry in self.entries("artifact") if isinstance(entry, dict))

    def listed_paths(self) -> list[str]:
        """Return the paths of the artifacts as they are written, well-formed or not."""
        paths = [entry.get("path") for _, entry in self.entries("artifact") if isinstance(entry, dict)]
        return [path for path in paths if isinstance(path, str)]

    def protocols(self) -> list[tuple[int, str]]:
        """Return the protocol names that are filled in, with their indices."""
        return [(i, name) for i, name in self.entries("protocols") if isinstance(name, str) and not is_fill_in(name)]


def parse_text(text: str, shown: str) -> ManifestText | Problem:
    """Return a manifest's values, or the one problem that keeps TOML from reading it."""
    try:
        table = manifest_table(text)
        return ManifestText(shown, table, key_lines(text))
    except NumberTooLong as error:
        return Problem(shown, "", "number", str(error), "write a number of fewer digits there", line=error.line)
    except (ValueError, RecursionError) as error:
        match = re.search(r"\(at line (\d+)", str(error))
        line = int(match.group(1)) if match else None
        remedy = "correct the TOML there; strings need quotes, and a [table] ends the one before it"
        return Problem(shown, "", "toml", f"is not TOML: {visible(str(error))}", remedy, line=line)


def find_problems(manifest: ManifestText) -> list[Problem]:
    """Return everything that the manifest itself shows to be wrong; unfilled placeholders come as such, once each."""
    unfilled = list(islice(_fill_ins(manifest.table), SHOWN_LIMIT))
    problems = [_fill_in_problem(manifest, pointer, text) for pointer, text in unfilled]
    limits = _exceeded(manifest)
    for key, limit in limits.items():
        message = f"the list has {len(manifest.table[key])} entries"
        problems.append(manifest.problem(pointer_to(key), "value", message, f"give at most {limit}"))
    try:
        manifest.model.model_validate({k: v[: limits[k]] if k in limits else v for k, v in manifest.table.items()})
    except ValidationError as error:
        known = {pointer for pointer, _ in unfilled}
        every = [item for item in error.errors(include_url=False) if not _is_echo(item)]
        items = every[:SHOWN_LIMIT]
        misspelled = _misspelled(items, manifest.model)
        found = [_explain(manifest, item, misspelled) for item in items if item["loc"] not in misspelled.values()]
        problems += [problem for problem in found if problem.pointer not in known]
        if len(every) > len(items):
            message = f"has {len(every) - len(items)} more problems like these"
            problems.append(manifest.problem("", "more", message, "correct these first"))
    return problems


def _exceeded(manifest: ManifestText) -> dict[str, int]:
    """Return the largest number of entries of each list at the top of a manifest that has more."""
    found = {}
    for name, field in manifest.model.model_fields.items():
        key = field.alias or name
        limit = next((item.max_length for item in field.metadata if hasattr(item, "max_length")), None)
        value = manifest.table.get(key)
        if limit is not None and isinstance(value, tuple) and len(value) > limit:
            found[key] = limit
    return found


def listed_protocol_problems(manifest: ManifestText, known: Iterable[str], remedy: str) -> Iterator[Problem]:
    """Yield each protocol of a manifest that nobody knows, or that it lists before. remedy: names the known ones."""
    names, seen = manifest.protocols()[:SHOWN_LIMIT], set[str]()
    for index, name in names:
        pointer = f"/protocols/{index}"
        if name not in known:
            message = f"unknown protocol {quoted(name)}"
            yield manifest.problem(pointer, "protocol-unknown", message, suggest(name, known, remedy))
        elif name in seen:
            yield manifest.problem(pointer, "protocol-twice", f"protocol {name!r} is listed twice", "list it once")
        seen.add(name)


def is_fill_in(value: Any) -> bool:
    """Say whether a value is a placeholder that `bench new` wrote."""
    return isinstance(value, str) and value.startswith(FILL_IN)


def suggest(name: str, known: Iterable[str], remedy: str) -> str:
    """Return a remedy, after the question whether the closest known name was meant, where one is close."""
    close = _nearest(name, known)
    return f"did you mean {close!r}? {remedy[:1].upper()}{remedy[1:]}".rstrip() if close else remedy


def _nearest(name: str, known: Iterable[str]) -> str | None:
    # 0.6, the cutoff by default, takes 'colour' for 'disclosure'.
    close = get_close_matches(name[:100], list(known), n=1, cutoff=0.7)
    return close[0] if close else None


def _draft(entry: dict[str, Any]) -> ArtifactDraft:
    unfilled = frozenset(key for key, value in entry.items() if any(_fill_ins(value)))
    unusable = set(unfilled)
    try:
        Artifact.model_validate(entry)
    except ValidationError as error:
        unusable |= {str(item["loc"][0]) for item in error.errors(include_url=False)}
    fields = ArtifactDraft.__dataclass_fields__.keys() - {"unusable", "unfilled"}
    usable = {key: value for key, value in entry.items() if key in fields - unusable}
    if "recipe" in usable:
        usable["recipe"] = CraftRecipe.model_validate(usable["recipe"])
    if "tensor" in unusable:
        usable["tensor"] = ""
    return ArtifactDraft(**usable, unusable=frozenset(unusable), unfilled=unfilled)


def _fill_ins(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _fill_ins(item, pointer + pointer_to(key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _fill_ins(item, pointer + pointer_to(index))
    elif is_fill_in(value):
        yield pointer, value


def _fill_in_problem(manifest: ManifestText, pointer: str, text: str) -> Problem:
    hint = visible(text.removeprefix(FILL_IN).removeprefix(":").strip(), 280)
    return manifest.problem(
        pointer, "fill-in", "is still to be filled in", f"put here: {hint}" if hint else "fill it in"
    )


def _is_echo(item: Any) -> bool:
    """Say whether pydantic calls a list too short only because its elements are wrong, each of which it also names."""
    return bool(item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"])


Location = tuple[str | int, ...]


def _misspelled(items: list[Any], model: type[BaseModel]) -> dict[Location, Location]:
    """Return the unknown keys that come nearest to a key missing from their table, each with that key's location."""
    missing = {item["loc"] for item in items if item["type"] == "missing"}
    meant: dict[Location, Location] = {}
    for location in (item["loc"] for item in items if item["type"] == "extra_forbidden" and missing):
        key = (*location[:-1], _nearest(str(location[-1]), _keys_at(model, location[:-1])))
        if key in missing and key not in meant.values():
            meant[location] = key
    return meant


def _explain(manifest: ManifestText, item: Any, misspelled: dict[Location, Location]) -> Problem:
    """Turn one pydantic error into a problem with the words of the manifest."""
    location = item["loc"]
    kind, got, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "missing":
        return _missing(manifest, location)
    pointer = pointer_to(*location)
    if kind == "extra_forbidden":
        known = _keys_at(manifest.model, location[:-1])
        remedy = f"remove it; keys here: {', '.join(known)}"
        remedy = suggest(str(location[-1]), known, "" if location in misspelled else remedy)
        return manifest.problem(pointer, "unknown-key", f"unknown key {quoted(str(location[-1]))}", remedy)
    message, remedy = _words(kind, got, context, item["msg"])
    return manifest.problem(pointer, "value", message, remedy)


def _missing(manifest: ManifestText, location: Location) -> Problem:
    key, parent = str(location[-1]), pointer_to(*location[:-1])
    where = f"in the table {parent}" if parent else f"at the top of {MANIFEST_NAME}"
    message = f"the key {key!r} is missing"
    return manifest.problem(parent + pointer_to(key), "missing-key", message, f"add it {where}; `bench new` shows how")


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that the record at a location of a manifest may have."""
    record = model
    for part in location:
        if isinstance(part, str):
            record = next(found for name, found in _records_in(record) if name == part)
    return [name for name, _ in _keys(record)]


def _keys(record: type[BaseModel]) -> list[tuple[str, Any]]:
    return [(field.alias or name, field.annotation) for name, field in record.model_fields.items()]


def _records_in(record: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, annotation in _keys(record):
        for candidate in (annotation, *get_args(annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                yield name, candidate


_FORMS = {
    r"^[0-9a-f]{64}$": "64 lower-case hex digits, as `sha256sum FILE` prints",
    r"^[a-z0-9](?:[a-z0-9-]{0,46})[a-z0-9]$": "2 to 48 of a-z, 0-9 and '-', with no '-' at either end",
    r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$": "an ORCID such as 0000-0002-1825-0097",
    r"^[A-Za-z0-9-]{1,39}$": "a GitHub user name without '@'",
}

Words = Callable[[Any, dict[str, Any]], tuple[str, str]]

_WORDS: dict[str, Words] = {
    "string_type": lambda got, _: (f"expected text, got {_shown(got)}", "write it in quotes"),
    "bool_type": lambda got, _: (f"expected true or false, got {_shown(got)}", "write true or false without quotes"),
    "int_type": lambda got, _: (f"expected a whole number, got {_shown(got)}", "write it without quotes and point"),
    "float_type": lambda got, _: (f"expected a number, got {_shown(got)}", "write it without quotes"),
    "finite_number": lambda got, _: (f"{got} is not a finite number", "give the number, or leave the entry out"),
    "date_type": lambda got, _: (
        f"expected a date, got {_shown(got)}",
        f"write it without quotes: {date(2026, 1, 31).isoformat()}",
    ),
    "tuple_type": lambda got, _: (f"expected a list, got {_shown(got)}", "write [...], or a [[table]] for each entry"),
    "model_type": lambda got, _: (f"expected a table, got {_shown(got)}", "write a [table] with keys"),
    "too_short": lambda _, context: ("the list is empty", f"give at least {context['min_length']}"),
    "string_too_short": lambda _, context: ("is empty", f"write at least {context['min_length']} character"),
    "string_too_long": lambda got, context: (
        f"is {len(got)} characters long, at most {context['max_length']} are kept",
        "shorten it",
    ),
    "less_than_equal": lambda got, context: (f"{_shown(got)} is too large", f"give at most {context['le']}"),
    "greater_than": lambda got, context: (f"{_shown(got)} is too small", f"give more than {context['gt']}"),
    "greater_than_equal": lambda got, context: (f"{_shown(got)} is too small", f"give at least {context['ge']}"),
    "string_pattern_mismatch": lambda got, context: (
        f"{_shown(got)} does not have the expected form",
        f"expected {_FORMS.get(context['pattern'], context['pattern'])}",
    ),
    "literal_error": lambda got, context: _literal_words(got, context["expected"]),
}


def _words(kind: str, got: Any, context: dict[str, Any], fallback: str) -> tuple[str, str]:
    if kind == "value_error":
        message, _, remedy = str(context["error"]).partition("; ")
        return f"{_shown(got)} {message}", remedy
    if kind in _WORDS:
        return _WORDS[kind](got, context)
    return f"{_shown(got)}: {fallback}", "see submissions/README.md"


def _literal_words(got: Any, expected: str) -> tuple[str, str]:
    if expected == "True":
        return f"expected true, got {_shown(got)}", "write true to agree"
    remedy = suggest(str(got), re.findall(r"'([^']*)'", expected), f"write {expected}")
    return f"{_shown(got)} is not one of the values that are allowed", remedy


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value, 60) if isinstance(value, str) else visible(str(value), 60)

"""What is plainly sound, against the long way round: whoever is waved through must have nothing to hide."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from factories import make_result
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from unlearning_factory import Left, make_checkpoint_result

from bench import store
from bench.glance import plainly_follows, plainly_sound
from bench.records import canonical_bytes, digest
from bench.results import Measurement, Result, result_bytes, seal_of, summarize

RESULTS = (make_result(), make_checkpoint_result(Left(gus=0.4, patch=0.2)))
STORED = sorted(Path(__file__).parents[1].glob("submissions/*/results/*/*.json"))


def problems_at_length(content: bytes, result: Result, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is found where nothing is believed at a glance."""
    with monkeypatch.context() as without:
        without.setattr(store, "plainly_sound", lambda *_: False)
        without.setattr(store, "plainly_follows", lambda *_: False)
        path = Path("results") / result.subject.protocol.id / f"{result.name}.json"
        return store.examine_result(path, content)[1]


@pytest.mark.parametrize("result", RESULTS)
def test_sound_results_are_told_at_a_glance(result: Result) -> None:
    assert plainly_sound(result_bytes(result), result)


def test_results_of_this_repository_are_told_at_a_glance() -> None:
    assert STORED
    for path in STORED:
        content = path.read_bytes()
        assert plainly_sound(content, Result.model_validate_json(content)), path


def leaves_of(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    return [at] if items is None else [place for key, item in items for place in leaves_of(item, (*at, key))]


def with_value(document: Any, place: tuple[str | int, ...], value: Any) -> Any:
    changed = json.loads(json.dumps(document))
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


VALUES = st.sampled_from(
    [0, 1, -1, 0.5, 0.00001, 0.000012, 1e-7, 1e15, 2**60, -0.0, "", "1.0,", "\u00e9", "a\nb", None]
)


@pytest.mark.parametrize("resealed", [True, False])
@given(data=st.data())
def test_whatever_changes_nothing_is_waved_through_that_has_a_problem(resealed: bool, data: st.DataObject) -> None:
    """One value changed anywhere, with digests and seal as they were or made to fit, written in two ways."""
    result = data.draw(st.sampled_from(RESULTS))
    document = json.loads(result_bytes(result))
    place = data.draw(st.sampled_from(leaves_of(document)))
    changed = with_value(document, place, data.draw(VALUES))
    if resealed:
        body = {name: changed[name] for name in ("schema", "subject", "outcome")}
        try:
            changed = {**body, "id": digest(body), "key": digest(body["subject"]), "seal": seal_of(body)}
        except ValueError:
            return
    judge(json.dumps(changed, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    with suppress(ValueError):
        judge(canonical_bytes(changed) + b"\n")


SPOILED = (
    lambda text: text + "\n",
    lambda text: text.rstrip(),
    lambda text: text.replace(":", ": ", 1),
    lambda text: text.replace('{"id"', '{"id":"sha256:0","id"'),
    lambda text: text.replace('"tier":"full"', '"tier":"full","challenge":null'),
    lambda text: text.replace("0.9,", "0.90,", 1),
    lambda text: text.replace("0.9,", "9e-1,", 1),
    lambda text: text.replace('"seed":0', '"seed":0.0'),
    lambda text: text.replace('"seed":0', '"seed":-0'),
    lambda text: text.replace('"full"', '"\\u0066ull"'),
    lambda text: text.replace('"seal":"', '"seal":"0'),
    lambda text: text.replace('"outcome":', '"outcome" :'),
)


@pytest.mark.parametrize("spoil", SPOILED)
def test_other_bytes_of_the_same_document_are_not_waved_through(spoil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for result in RESULTS:
        whole = result_bytes(result).decode()
        content = spoil(whole).encode()
        if content != whole.encode():
            judge(content)


def judge(content: bytes) -> None:
    """Whatever the long way finds a problem in must not be called plainly sound."""
    try:
        result = Result.model_validate_json(content)
    except ValidationError:
        return
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = problems_at_length(content, result, monkeypatch)
    assert not (found and plainly_sound(content, result)), found


@given(st.lists(st.integers(-2_000_000, 2_000_000).map(lambda value: round(value / 1e6, 6)), min_size=1, max_size=8))
@example([0.683276, 0.685277, 0.687277])
@example([0.969444, 0.966667, 0.963889])
@example([0.0, 0.000001])
def test_what_plainly_follows_is_what_is_summarized(values: list[float]) -> None:
    expected = summarize("ud", "a/b", values)
    shifted = [
        expected.model_copy(update={name: move(getattr(expected, name), step)})
        for name in ("mean", "sd", "ci95")
        for step in (-1e-6, 1e-6, 1e-7)
        if getattr(expected, name) is not None
    ]
    assert not any(map(plainly_follows, shifted))
    assert not plainly_follows(expected.model_copy(update={"per_seed": ()}))


def move(value: Any, step: float) -> Any:
    return (value[0], round(value[1] + step, 7)) if isinstance(value, tuple) else round(value + step, 7)


def test_most_measurements_plainly_follow() -> None:
    stored = [item for result in RESULTS for item in result.outcome.measurements if item.per_seed]
    assert sum(map(plainly_follows, stored)) > 0.8 * len(stored)


def test_a_result_has_no_default_but_none() -> None:
    """A document without such a value would be canonical at a glance, and not once it is written again."""

    def defaults(model: type[BaseModel]) -> list[Any]:
        return [field.default for field in model.model_fields.values() if not field.is_required()]

    pending, seen = [Result], set()
    while pending:
        model = pending.pop()
        seen.add(model)
        assert all(value is None for value in defaults(model)), model
        inner = (found for field in model.model_fields.values() for found in models_in(field.annotation))
        pending += [found for found in inner if found not in seen]
    assert Measurement in seen


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    parts = getattr(annotation, "__args__", ())
    return [found for part in parts for found in models_in(part)]

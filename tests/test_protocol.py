"""Protocols: every shipped one is sound, its digest follows what it asks, and unknown keys are refused."""

import pytest
from measured import PROTOCOL_ID, write_protocol
from pydantic import ValidationError

from bench.defenses import DEFENSES
from bench.errors import UnknownName
from bench.models import MODELS
from bench.protocol import Protocol, Split, load_protocol, parse_protocol, protocol_ids
from bench.registry import resolve


@pytest.mark.parametrize("protocol_id", protocol_ids())
def test_a_shipped_protocol_is_consistent(protocol_id):
    protocol = load_protocol(protocol_id)
    assert protocol.id == protocol_id
    assert len(protocol.dataset.class_names) == protocol.dataset.classes
    assert sum(condition.primary for condition in protocol.conditions) == 1
    assert max(protocol.sal.epochs) <= min(protocol.recipe_of(item.model).epochs for item in protocol.conditions)
    assert list(protocol.sal.epochs) == sorted(set(protocol.sal.epochs))
    assert protocol.sal.probe_images <= protocol.dataset.train.images
    for condition in protocol.conditions:
        resolve("model", condition.model, MODELS)
        resolve("defense", condition.defense, DEFENSES)


@pytest.mark.parametrize("protocol_id", protocol_ids())
def test_quick_cells_are_among_the_full_ones(protocol_id):
    protocol = load_protocol(protocol_id)
    assert set(protocol.cells("quick")) <= set(protocol.cells("full"))
    assert len(set(protocol.cells("full"))) == sum(condition.seeds.full for condition in protocol.conditions)


def test_a_pin_that_is_absent_is_no_part_of_a_split():
    pinned, bare = Split(images=2, sha256="0" * 64), Split(images=2)
    assert pinned.model_dump(mode="json").keys() == {"images", "sha256", "select"}
    assert bare.model_dump(mode="json").keys() == {"images", "select"}
    assert Split.model_validate(bare.model_dump()) == bare


def test_a_pinned_release_file_changes_the_digest_of_a_protocol():
    protocol = load_protocol("ue-cifar100-v1")
    (file,) = protocol.dataset.train.files
    other = file.model_copy(update={"md5": "0" * 32})
    train = protocol.dataset.train.model_copy(update={"files": (other,)})
    dataset = protocol.dataset.model_copy(update={"train": train})
    assert protocol.model_copy(update={"dataset": dataset}).sha256 != protocol.sha256


def changed(**update) -> Protocol:
    return load_protocol("ue-digits-v1").model_copy(update=update)


def test_the_digest_follows_what_is_asked_and_not_how_it_is_described():
    protocol = load_protocol("ue-digits-v1")
    assert changed(title="Another title", notes=("x",)).sha256 == protocol.sha256
    recipe = protocol.recipe.model_copy(update={"learning_rate": 0.021})
    assert changed(recipe=recipe).sha256 != protocol.sha256


def test_an_unknown_key_is_refused_by_name(tmp_path):
    write_protocol(tmp_path)
    text = (tmp_path / f"{PROTOCOL_ID}.toml").read_text()
    with pytest.raises(ValidationError, match=r"recipe\.warmup"):
        parse_protocol(text.replace("[recipe]\n", "[recipe]\nwarmup = 3\n"))


def test_an_unknown_protocol_lists_the_known_ones():
    with pytest.raises(UnknownName, match=r"unknown protocol 'ue-digits-v9'; known: .*ue-digits-v1"):
        load_protocol("ue-digits-v9")


def test_a_private_folder_adds_protocols(tmp_path, monkeypatch):
    write_protocol(tmp_path)
    monkeypatch.setenv("BENCH_PROTOCOLS", str(tmp_path))
    assert PROTOCOL_ID in protocol_ids()
    assert load_protocol(PROTOCOL_ID).title == "Sixty digits"


def test_a_private_protocol_cannot_take_a_built_in_id(tmp_path, monkeypatch):
    write_protocol(tmp_path)
    (tmp_path / f"{PROTOCOL_ID}.toml").rename(tmp_path / "ue-digits-v1.toml")
    monkeypatch.setenv("BENCH_PROTOCOLS", str(tmp_path))
    assert load_protocol("ue-digits-v1").title != "Sixty digits"

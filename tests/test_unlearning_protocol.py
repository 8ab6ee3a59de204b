"""Unlearning protocols as data: what is shipped, and what is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from unlearned import protocol_text

from bench.challenges import KitRequest, complete_settings
from bench.errors import UnknownName
from bench.protocol import load_protocol, protocol_ids
from bench.unlearning import unlearner_settings
from bench.unlearning_protocol import (
    ProbeCell,
    all_protocol_ids,
    load_any_protocol,
    load_unlearning_protocol,
    parse_unlearning_protocol,
    unlearning_protocol_ids,
)


@pytest.mark.parametrize("protocol_id", unlearning_protocol_ids())
def test_a_shipped_protocol_states_only_settings_that_exist(protocol_id):
    protocol = load_unlearning_protocol(protocol_id)
    assert protocol.id == protocol_id
    for condition in protocol.probes:
        settings = complete_settings(KitRequest(Path(), protocol, condition.label, 0))
        assert settings.items() >= condition.settings.items()
    for name, stated in protocol.unlearners.items():
        assert unlearner_settings(protocol, name).items() >= stated.items()


@pytest.mark.parametrize("protocol_id", unlearning_protocol_ids())
def test_a_shipped_protocol_pins_its_images_and_has_a_quick_tier(protocol_id):
    protocol = load_unlearning_protocol(protocol_id)
    assert protocol.dataset.train.sha256
    assert protocol.dataset.test.sha256
    assert set(protocol.cells("quick")) <= set(protocol.cells("full"))
    assert protocol.cells("quick")


def test_tracks_do_not_answer_for_each_other():
    assert not set(protocol_ids()) & set(unlearning_protocol_ids())
    assert all_protocol_ids() == sorted([*protocol_ids(), *unlearning_protocol_ids()])
    assert load_any_protocol("ue-digits-v1").track == "ue"
    assert load_any_protocol("unlearning-digits-v1").track == "unlearning"
    with pytest.raises(UnknownName, match="unknown protocol 'unlearning-digits-v1'"):
        load_protocol("unlearning-digits-v1")
    with pytest.raises(UnknownName, match="unknown protocol 'ue-digits-v1'"):
        load_unlearning_protocol("ue-digits-v1")
    with pytest.raises(UnknownName, match="known: ue-cifar10-mini-v1"):
        load_any_protocol("nonsense")


def test_cells_come_probe_by_probe_with_seeds_innermost():
    cells = parse_unlearning_protocol(protocol_text()).cells("full")
    assert cells[0] == ProbeCell("resnet-narrow", "gaussian", 0)
    assert [cell.label for cell in cells] == ["gaussian/0", "gaussian/1", "patch/0", "patch/1"]


def test_one_probe_can_be_asked_for_at_several_counts_under_names():
    text = (
        protocol_text()
        + '\n[[probes]]\nprobe = "patch"\nname = "patch-20"\ncount = 20\nseeds = { quick = 0, full = 1 }\n'
    )
    protocol = parse_unlearning_protocol(text)
    assert protocol.condition("patch").count == 12
    assert protocol.condition("patch-20").count == 20


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('probe = "patch"', 'probe = "gaussian"', "two conditions have one name"),
        ("primary = true\n", "", "exactly one probe is the primary one"),
        ("[recipe]\n", "[recipe]\nwarmup = 3\n", "Extra inputs"),
        ("count = 12\n", "count = 0\n", "greater than 0"),
    ],
)
def test_a_protocol_that_contradicts_itself_is_refused(old, new, words):
    with pytest.raises(ValidationError, match=words):
        parse_unlearning_protocol(protocol_text().replace(old, new))

"""RUM: parts by difficulty that make up the forget set, retain sets that shrink, one part is the unlearner alone."""

import copy
from dataclasses import replace

import pytest
import torch
from tiny_inputs import given_for, same, state
from torch import nn

from bench.errors import UsageProblem
from bench.metrics.difficulty import MEMORIZATION_PROXIES, embeddings, entanglement_score
from bench.training import Labeled
from bench.unlearners import rum
from bench.unlearners.random_relabel import RANDOM_RELABEL
from bench.unlearners.rum import (
    RUM,
    RUM_ENTANGLEMENT,
    RUM_F,
    RUM_F_ENTANGLEMENT,
    RUM_SHUFFLE,
    Step,
    equal_parts,
    parse_steps,
    refine,
    unlearn_rum,
)
from bench.unlearners.salun import SALUN
from bench.unlearners.unlearner import Unlearner

THREE = "random-relabel; random-relabel; random-relabel"


def items(data):
    return [image.numpy().tobytes() for image in data.images]


@pytest.fixture
def calls(monkeypatch):
    """Every name of the table is an unlearner that records its input, spends all it may and moves each weight."""
    seen = []

    def run(given):
        given.meter.count(1, forward=given.meter.limit, backward=0)
        seen.append(replace(given, model=copy.deepcopy(given.model)))
        with torch.no_grad():
            for parameter in given.model.parameters():
                parameter.add_(1)
        return given.model

    recorder = Unlearner(
        "recorder", "meta", "", None, run, {"learning_rate": 0.5, "epochs": 0, "beta": 0.9, "flag": True}
    )
    monkeypatch.setattr(rum, "resolve", lambda *_: recorder)
    return seen


@pytest.mark.parametrize("base", [SALUN, RANDOM_RELABEL])
@pytest.mark.parametrize("difficulty", ["confidence", "entanglement", "random"])
def test_one_part_is_the_unlearner_alone(base, difficulty):
    name = "salun" if base is SALUN else "random-relabel"
    alone = given_for(base, limit=2000, learning_rate=0.02)
    given = given_for(RUM, limit=2000, steps=f"{name} learning_rate=0.02", difficulty=difficulty)
    assert same(state(unlearn_rum(given)), state(base.run(alone)))
    assert given.meter.spent == alone.meter.spent


@pytest.mark.parametrize("difficulty", ["random", "entanglement", *MEMORIZATION_PROXIES])
def test_parts_are_disjoint_of_equal_size_and_make_up_the_set(difficulty):
    parts = refine(given_for(RUM, difficulty=difficulty), 3)
    assert sorted(len(part) for part in parts) == [5, 5, 6]
    assert sorted(torch.cat(parts).tolist()) == list(range(16))


def test_parts_go_from_the_surest_answers_to_the_least_sure():
    given = given_for(RUM)
    with torch.no_grad():
        answers = given.model(given.forget.images).double().softmax(1)
    sure = answers[torch.arange(16), given.forget.labels]
    low, medium, high = refine(given, 3)
    assert sure[low].min() >= sure[medium].max()
    assert sure[medium].min() >= sure[high].max()


def test_parts_go_from_low_to_high_measured_entanglement():
    given = given_for(RUM_ENTANGLEMENT)
    retain, forget = (embeddings(given.model, part.images) for part in (given.retain, given.forget))
    scores = [entanglement_score(retain, forget[part]) for part in refine(given, 3)]
    assert scores == sorted(scores)


def test_later_parts_are_rehearsed_until_their_turn(calls):
    """R_1 holds R_2 holds R_3, which is the retain set; what is forgotten in a step is not retained in it."""
    given = given_for(RUM, steps=THREE)
    unlearn_rum(given)
    retained = [set(items(call.retain)) for call in calls]
    forgotten = [set(items(call.forget)) for call in calls]
    everything = set(items(given.retain)) | set(items(given.forget))
    assert retained[0] == everything - forgotten[0]
    assert retained[1] == everything - forgotten[0] - forgotten[1]
    assert retained[2] == set(items(given.retain))
    assert set.union(*forgotten) == set(items(given.forget))


def test_the_strict_variant_retains_the_retain_set_alone(calls):
    given = given_for(RUM, steps=THREE, rehearse_later=False)
    unlearn_rum(given)
    assert [items(call.retain) for call in calls] == 3 * [items(given.retain)]


def test_images_keep_their_labels(calls):
    given = given_for(RUM, steps=THREE)
    labels = torch.cat([given.forget.labels, given.retain.labels]).tolist()
    known = dict(zip(items(given.forget) + items(given.retain), labels, strict=True))
    unlearn_rum(given)
    for data in (part for call in calls for part in (call.forget, call.retain)):
        assert [known[item] for item in items(data)] == data.labels.tolist()


def test_each_step_goes_on_from_the_last_one(calls):
    given = given_for(RUM, steps=THREE)
    first = next(given.model.parameters()).detach().clone()
    model = unlearn_rum(given)
    starts = [next(call.model.parameters()) for call in calls]
    for number, start in enumerate(starts):
        torch.testing.assert_close(start.detach(), first + number)
    torch.testing.assert_close(next(model.parameters()).detach(), first + 3)
    assert not any(call.model.training for call in calls)


def test_a_part_with_nothing_to_do_is_skipped_and_not_retained(calls):
    given = given_for(RUM, steps="none; random-relabel; salun")
    unlearn_rum(given)
    low = set(items(Labeled(given.forget.images[refine(given_for(RUM), 3)[0]], torch.zeros(0))))
    assert len(calls) == 2
    assert not low & set(items(calls[0].retain))
    assert not low & set(items(calls[0].forget))


@pytest.mark.parametrize(
    ("difficulty", "units"), [("confidence", 16), ("curvature", 16 * 6), ("entanglement", 80), ("random", 0)]
)
def test_active_steps_share_what_the_refinement_leaves(calls, difficulty, units):
    """Worked out by hand: a forward pass is one unit, curvature takes two forward and two backward passes."""
    given = given_for(RUM, limit=1000, steps="none; random-relabel; salun", difficulty=difficulty)
    unlearn_rum(given)
    assert [call.meter.limit for call in calls] == 2 * [(1000 - units) / 2]
    assert given.meter.spent == pytest.approx(1000)


def test_what_a_step_leaves_over_goes_to_the_later_ones(monkeypatch):
    limits = []
    idle = Unlearner("idle", "meta", "", None, lambda given: limits.append(given.meter.limit) or given.model)
    monkeypatch.setattr(rum, "resolve", lambda *_: idle)
    unlearn_rum(given_for(RUM, limit=900, steps=THREE, difficulty="random"))
    assert limits == [300, 450, 900]


def test_steps_draw_apart(calls):
    given = given_for(RUM, steps=THREE)
    unlearn_rum(given)
    draws = [torch.rand(4, generator=call.generator("batches")).tolist() for call in calls]
    assert draws[0] == torch.rand(4, generator=given.generator("batches")).tolist()
    assert len({tuple(draw) for draw in draws}) == 3


def test_settings_of_a_step_reach_its_unlearner(calls):
    unlearn_rum(given_for(RUM, steps="salun learning_rate=0.25 epochs=3 flag=false; salun; salun beta=1"))
    assert calls[0].settings == {"learning_rate": 0.25, "epochs": 3, "beta": 0.9, "flag": False}
    assert calls[1].settings == {"learning_rate": 0.5, "epochs": 0, "beta": 0.9, "flag": True}
    assert calls[2].settings["beta"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": "salun; forget-it"}, "forget-it"),
        ({"steps": "salun;"}, "''"),
        ({"steps": "salun learning_rate"}, "name=value"),
        ({"steps": "salun learning_rate=fast"}, "expected a number"),
        ({"steps": "salun flag=maybe"}, "true or false"),
        ({"steps": "salun speed=1"}, "no setting 'speed'"),
        ({"difficulty": "hard"}, "confidence"),
        ({"steps": ";".join(17 * ["salun"])}, "17 parts"),
    ],
)
def test_what_cannot_be_done_is_refused(calls, settings, message):
    with pytest.raises(UsageProblem, match=message):
        unlearn_rum(given_for(RUM, **settings))


def test_the_published_compositions():
    low, medium, high = parse_steps(str(RUM.defaults["steps"]))
    assert low == Step("none", {})
    assert (medium.unlearner, high.unlearner) == ("finetune", "salun")
    for method in (RUM_F, RUM_F_ENTANGLEMENT, RUM_SHUFFLE):
        assert [step.unlearner for step in parse_steps(str(method.defaults["steps"]))] == 3 * ["neggrad-plus"]
    assert [method.defaults["difficulty"] for method in (RUM_ENTANGLEMENT, RUM_F_ENTANGLEMENT, RUM_SHUFFLE)] == [
        "entanglement",
        "entanglement",
        "random",
    ]


def test_parts_by_hand():
    order = torch.tensor([4, 1, 0, 3, 2])
    assert [part.tolist() for part in equal_parts(order, 2)] == [[0, 1, 4], [2, 3]]


def test_the_forget_set_decides_nothing_about_the_model_in_refinement():
    """Refining leaves weights and statistics as they were."""
    for difficulty in ("confidence", "curvature", "entanglement"):
        given = given_for(RUM, difficulty=difficulty)
        before = state(given.model)
        refine(given, 3)
        assert same(state(given.model), before)
        assert isinstance(given.model, nn.Module)

"""Gradient matching: bounds, labels, the objective against another implementation, the best of several restarts."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings as limits
from hypothesis import strategies as st
from probe_inputs import (
    assert_only_these_change,
    assert_secret_decides,
    fit_network,
    given_blobs,
    make_network,
    numbered,
)
from torch.nn import functional as F

from bench.errors import UsageProblem
from bench.probes.gradient_matching import (
    GRADIENT_MATCHING,
    Brew,
    brew_poisons,
    choose_targets,
    match,
    random_views,
)
from bench.probes.parameter_gradients import loss_gradient
from bench.probes.probe import Poison
from bench.runtime import generator_for

EPSILON = 0.2
QUICK = {"eps": EPSILON, "iterations": 12, "restarts": 2, "step": 0.05, "flip": False, "translate": 0.0}
BREW = Brew(epsilon=EPSILON, iterations=12, restarts=1, step=0.05, batch=512, flip=False, translate=0.0)


def given_matching(**settings):
    return given_blobs(GRADIENT_MATCHING, **{"count": 12, **QUICK, **settings})


@pytest.fixture(scope="module")
def trained():
    """A clean network, what it was trained on, and a target with eight poisons."""
    given = given_matching(count=8)
    model = make_network("clean")
    fit_network(model, given.train, "clean")
    model.eval()
    return given, model, choose_targets(given, model)[0]


def streams():
    return generator_for("test", "start"), generator_for("test", "views")


def test_only_images_of_the_adversarial_class_change_within_the_bound_and_the_box():
    given = given_matching(targets=2)
    poison = GRADIENT_MATCHING.make(given)
    assert_only_these_change(given, poison, 12)
    base, forget = given.train.images[poison.forget.indices], poison.forget
    assert torch.equal(forget.labels, given.train.labels[forget.indices])
    adversarial = poison.secret["adversarial_labels"].tolist()
    assert sorted(forget.labels.tolist()) == sorted(adversarial * 6)
    assert (forget.images - base).abs().max() == pytest.approx(EPSILON, abs=1e-6)
    assert forget.images.min() >= 0
    assert forget.images.max() <= 1


def test_a_count_that_does_not_divide_is_rounded_down():
    given = given_matching(count=14, targets=3, iterations=1)
    assert_only_these_change(given, GRADIENT_MATCHING.make(given), 12)


def test_the_secret_decides():
    assert_secret_decides(GRADIENT_MATCHING, lambda stream: given_matching(stream=stream, flip=True, translate=1.0))


def test_targets_are_read_rightly_and_get_a_class_of_their_own_that_they_do_not_show(trained):
    given, model, _ = trained
    targets = choose_targets(replace(given, count=9, settings={**given.settings, "targets": 3}), model)
    assert len({target.adversarial for target in targets}) == 3
    for target in targets:
        assert int(model(target.image).argmax()) == target.label != target.adversarial
        assert (given.train.labels[target.indices] == target.adversarial).all()
        assert len(target.indices) == 3
        where = (given.test.images == target.image).flatten(1).all(1)
        assert given.test.labels[where].tolist() == [target.label]


def test_a_fixed_target_class_is_kept(trained):
    given, model, _ = trained
    settings = {**given.settings, "targets": 3, "target_class": 2}
    assert [target.label for target in choose_targets(replace(given, count=9, settings=settings), model)] == [2, 2, 2]


def test_a_near_target_has_the_smallest_lead_over_its_adversarial_class(trained):
    """Counted image by image, among those that the clean network reads rightly and that show another class."""
    given, model, _ = trained
    target = choose_targets(replace(given, settings={**given.settings, "nearest": 1}), model)[0]
    leads = {}
    for number, label in enumerate(given.test.labels.tolist()):
        logits = model(given.test.images[number : number + 1])[0].tolist()
        if label != target.adversarial and max(logits) == logits[label]:
            leads[number] = logits[label] - logits[target.adversarial]
    nearest = min(leads, key=leads.__getitem__)
    assert torch.equal(target.image[0], given.test.images[nearest])
    enough = sorted(leads.values())[len(leads) // 2]
    clear = choose_targets(replace(given, settings={**given.settings, "nearest": 1, "lead": enough - 1e-4}), model)[0]
    assert any(torch.equal(clear.image[0], given.test.images[number]) for number in leads if leads[number] == enough)
    among = choose_targets(replace(given, settings={**given.settings, "nearest": 4}), model)[0]
    near = sorted(leads, key=leads.__getitem__)[:4]
    assert any(torch.equal(among.image[0], given.test.images[number]) for number in near)


def independent_objective(model, images, label, target, adversarial):
    """1 - cosine of the gradients of two mean losses, flattened."""

    def flat(inputs, labels):
        model.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        found = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        model.zero_grad()
        return found

    wanted, found = flat(target, torch.tensor([adversarial])), flat(images, torch.full((len(images),), label))
    return 1 - float(F.cosine_similarity(wanted, found, dim=0))


def test_the_objective_is_that_of_another_implementation(trained):
    given, model, target = trained
    images = given.train.images[target.indices]
    wanted = loss_gradient(model, target.image, torch.tensor([target.adversarial]))
    labels = given.train.labels[target.indices]
    expected = independent_objective(model, images, target.adversarial, target.image, target.adversarial)
    assert match(model, images, labels, wanted, 512) == pytest.approx(expected, abs=1e-5)
    halves = [
        independent_objective(model, half, target.adversarial, target.image, target.adversarial)
        for half in (images[:5], images[5:])
    ]
    assert match(model, images, labels, wanted, 5) == pytest.approx((5 * halves[0] + 3 * halves[1]) / 8, abs=1e-5)


def test_the_target_itself_as_its_adversarial_class_matches_perfectly(trained):
    _, model, target = trained
    label = torch.tensor([target.adversarial])
    wanted = loss_gradient(model, target.image, label)
    assert match(model, target.image, label, wanted, 1) == pytest.approx(0, abs=1e-6)
    opposite = [-part for part in wanted]
    assert match(model, target.image, label, opposite, 1) == pytest.approx(2, abs=1e-6)


def test_brewing_lowers_the_objective(trained):
    given, model, target = trained
    ends = brew_poisons(model, given.train, target, replace(BREW, iterations=40), *streams())[1]
    starts = brew_poisons(model, given.train, target, replace(BREW, iterations=0), *streams())[1]
    assert 0 <= ends[0] < starts[0] - 0.05 <= 2


def test_the_restart_with_the_smallest_objective_is_kept(trained):
    """A known fault keeps the last restart, or the first."""
    given, model, target = trained
    wanted = loss_gradient(model, target.image, torch.tensor([target.adversarial]))
    labels = given.train.labels[target.indices]
    images, objectives = brew_poisons(model, given.train, target, replace(BREW, iterations=1, restarts=6), *streams())
    assert len(set(objectives)) == 6
    assert 0 < objectives.index(min(objectives)) < 5, "choose another stream: the best must be neither first nor last"
    assert match(model, images, labels, wanted, 512) == pytest.approx(min(objectives), abs=1e-6)
    assert brew_poisons(model, given.train, target, replace(BREW, iterations=1), *streams())[1] == objectives[:1]


def test_a_descent_follows_signed_adam_written_out(trained):
    """Eight steps, a tenth of the step after 3, 5 and 7; gradients are new in each step, not summed up."""
    given, model, target = trained
    base = given.train.images[target.indices]
    wanted = torch.cat(
        [part.flatten() for part in loss_gradient(model, target.image, torch.tensor([target.adversarial]))]
    )
    delta = (base + (EPSILON * torch.randn(base.shape, generator=streams()[0])).clamp(-EPSILON, EPSILON)).clamp(
        0, 1
    ) - base
    first, second = torch.zeros_like(base), torch.zeros_like(base)
    for step in range(1, 9):
        images = (base + delta).requires_grad_()
        loss = F.cross_entropy(model(images), given.train.labels[target.indices])
        gradient = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
        cosine = F.cosine_similarity(torch.cat([part.flatten() for part in gradient]), wanted, dim=0)
        sign = -torch.autograd.grad(cosine, images)[0].sign()
        first, second = 0.9 * first + 0.1 * sign, 0.999 * second + 0.001 * sign**2
        rate = 0.05 * 0.1 ** sum(step > milestone for milestone in (3, 5, 7))
        move = rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        delta = (base + (delta - move).clamp(-EPSILON, EPSILON)).clamp(0, 1) - base
    found, _ = brew_poisons(model, given.train, target, replace(BREW, iterations=8), *streams())
    # A sign of a gradient next to 0 may differ by rounding; it would be a step of 0.05, far above the tolerance.
    assert ((found - base - delta).abs() < 1e-4).float().mean() > 0.98


def test_poisons_in_batches_are_all_changed(trained):
    given, model, target = trained
    found, _ = brew_poisons(model, given.train, target, replace(BREW, batch=3), *streams())
    assert (found != given.train.images[target.indices]).flatten(1).any(1).all()


@limits(max_examples=25, deadline=None)
@drawn(st.integers(0, 10**6), st.floats(0.1, 3))
def test_a_shift_is_that_of_bilinear_sampling(seed, translate):
    images = torch.rand(3, 2, 5, 7, generator=torch.Generator().manual_seed(seed))
    found = random_views(images, flip=False, translate=translate, generator=torch.Generator().manual_seed(seed + 1))
    shifts = (2 * torch.rand(2, 3, generator=torch.Generator().manual_seed(seed + 1)) - 1) * translate
    moves = torch.zeros(3, 2, 3)
    moves[:, 0, 0] = moves[:, 1, 1] = 1
    moves[:, 0, 2], moves[:, 1, 2] = shifts[1] * 2 / 6, shifts[0] * 2 / 4
    grid = F.affine_grid(moves, [3, 2, 5, 7], align_corners=True)
    assert torch.allclose(found, F.grid_sample(images, grid, align_corners=True), atol=1e-5)


def test_views_without_flip_and_shift_are_the_images():
    images = torch.rand(3, 1, 4, 4)
    assert random_views(images, flip=False, translate=0.0, generator=streams()[0]) is images


def test_a_flip_mirrors_some_rows_and_nothing_else():
    images = torch.rand(40, 1, 4, 4)
    found = random_views(images, flip=True, translate=0.0, generator=streams()[0])
    mirrored = (found == images.flip(3)).flatten(1).all(1)
    same = (found == images).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 8 < int(mirrored.sum()) < 32


def test_success_and_probability_are_counted_by_hand():
    """Probabilities of the adversarial classes are 4/7 and 1/7; one of two targets is read as its class."""
    targets = numbered([0, 0])
    secret = {"targets": targets.images, "adversarial_labels": torch.tensor([1, 3])}
    poison = Poison(GRADIENT_MATCHING.make(given_matching(iterations=0)).forget, secret)

    class Fixed(torch.nn.Module):
        def forward(self, _images):
            return torch.tensor([[1.0, 4.0, 1.0, 1.0], [1.0, 4.0, 1.0, 1.0]]).log()

    found = GRADIENT_MATCHING.measure(Fixed(), poison, targets, GRADIENT_MATCHING.defaults)
    assert found.values["targeted_success"] == 0.5
    assert found.values["targeted_probability"] == pytest.approx((4 / 7 + 1 / 7) / 2)
    assert found.scores["targets"] == pytest.approx((4 / 7, 1 / 7))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 21}, "21 poisons a target, but class . has 20 training images"),
        ({"count": 2, "targets": 3}, "count is 2, fewer than the 3 targets"),
        ({"targets": 4}, "targets is 4; expected 1 to 3"),
        ({"target_class": 4}, "target_class is 4"),
        ({"lead": 1e3}, "too few test images are read rightly, 1000 or more above class"),
    ],
)
def test_what_cannot_be_made_is_refused(settings, message):
    with pytest.raises(UsageProblem, match=message):
        GRADIENT_MATCHING.make(given_matching(**settings))

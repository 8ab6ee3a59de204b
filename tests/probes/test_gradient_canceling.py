"""Gradient canceling: weights moved within a ball, J and its gradient against autograd, J that falls to about 0."""

import pytest
import torch
from probe_inputs import assert_only_these_change, assert_secret_decides, blobs, fit_network, given_blobs, make_network
from torch.nn import functional as F

from bench.errors import SearchDiverged, UsageProblem
from bench.probes.gradient_canceling import (
    GRADIENT_CANCELING,
    Search,
    cancel_gradient,
    corrupted,
    lower_accuracy,
    objective_gradient,
)
from bench.probes.parameter_gradients import inner_product, length, set_gradient
from bench.probes.probe import split_sets
from bench.runtime import generator_for
from bench.training import Labeled, accuracy

QUICK = {"iterations": 20, "step": 0.05, "batch": 32}
SEARCH = Search(optimizer="adam", iterations=400, step=0.01, batch=64, stop=0.005)


def given_canceling(**settings):
    return given_blobs(GRADIENT_CANCELING, **{"count": 10, **QUICK, **settings})


@pytest.fixture(scope="module")
def clean():
    model = make_network("clean")
    fit_network(model, blobs(80, "train"), "clean")
    return model.eval()


def distance(one, other):
    return length([a.detach() - b.detach() for a, b in zip(one.parameters(), other.parameters(), strict=True)])


def test_exactly_the_counted_images_change_without_bound_and_keep_their_labels():
    given = given_canceling(step=0.5)
    poison = GRADIENT_CANCELING.make(given)
    assert_only_these_change(given, poison, 10)
    assert torch.equal(poison.forget.labels, given.train.labels[poison.forget.indices])
    assert poison.forget.images.min() < 0
    assert poison.forget.images.max() > 1


def test_the_secret_decides():
    assert_secret_decides(GRADIENT_CANCELING, lambda stream: given_canceling(stream=stream))


def test_the_secret_says_how_far_the_search_came(clean):
    given = given_canceling(radius=0.1, growth=2.0)
    secret = GRADIENT_CANCELING.make(given).secret
    first, last = secret["objectives"].tolist()
    assert 0 <= last < first
    low, radius = lower_accuracy(make_clean(given), given)
    assert float(secret["radius"]) == radius
    assert float(secret["low_accuracy"]) == accuracy(low, given.test) < 0.5
    assert float(secret["clean_accuracy"]) > 0.9


def make_clean(given):
    model = given.make_model("clean")
    given.fit(model, given.train, "clean")
    return model.eval()


@pytest.mark.parametrize("radius", [0.3, 2.5])
def test_the_weights_move_uphill_within_the_ball_and_the_clean_network_stays(clean, radius):
    data = blobs(80, "train")
    before = [parameter.detach().clone() for parameter in clean.parameters()]
    low = corrupted(clean, data, radius, 16, generator_for("test", "corruption"))
    assert float(distance(low, clean)) <= radius * (1 + 1e-5)
    with torch.no_grad():
        assert F.cross_entropy(low(data.images), data.labels) > F.cross_entropy(clean(data.images), data.labels)
    assert all(torch.equal(old, new) for old, new in zip(before, clean.parameters(), strict=True))


def test_one_batch_moves_along_its_gradient_in_every_layer(clean):
    """One step of length 1, cut to a smaller radius; a larger radius is the length of the step itself."""
    data = blobs(80, "train")
    gradient = set_gradient(clean, data)
    low = corrupted(clean, data, 0.25, 80, generator_for("test", "corruption"))
    for old, new, part in zip(clean.parameters(), low.parameters(), gradient, strict=True):
        assert torch.allclose(new - old, 0.25 * part / length(gradient), atol=1e-5)
    far = corrupted(clean, data, 5.0, 80, generator_for("test", "corruption"))
    assert float(distance(far, clean)) == pytest.approx(5, rel=1e-5)


def test_the_radius_grows_until_the_accuracy_is_low(clean):
    given = given_canceling(radius=0.01, growth=3.0)
    low, radius = lower_accuracy(clean, given)
    power = torch.tensor(radius / 0.01).log() / torch.tensor(3.0).log()
    assert float(power) == pytest.approx(round(float(power)), abs=1e-4)
    assert accuracy(low, given.test) < 0.5
    smaller = corrupted(clean, given.train, radius / 3, 32, given.generator("corruption"))
    assert accuracy(smaller, given.test) >= 0.5


@pytest.mark.parametrize("batch", [3, 100])
def test_the_objective_and_its_gradient_are_those_of_one_graph_in_double_precision(batch):
    """J with its whole graph, differentiated by autograd; nothing is held fixed there."""
    model, kept, start = make_network("any").double(), blobs(20, "train"), blobs(8, "test")
    kept = Labeled(kept.images.double(), kept.labels)
    images = start.images.double().requires_grad_()
    parameters = list(model.parameters())
    loss = F.cross_entropy(model(kept.images), kept.labels) * 20 + F.cross_entropy(model(images), start.labels) * 8
    whole = torch.cat([part.flatten() for part in torch.autograd.grad(loss / 28, parameters, create_graph=True)])
    expected = 0.5 * whole @ whole
    slope = torch.autograd.grad(expected, images)[0]
    expected = expected.detach()
    found, gradient = objective_gradient(model, set_gradient(model, kept), images, start.labels, 28, batch)
    assert found == pytest.approx(float(expected), rel=1e-9)
    assert torch.allclose(gradient, slope, rtol=1e-8, atol=1e-14)


def test_as_many_free_poisons_as_clean_images_bring_the_objective_to_about_nothing(clean):
    low = corrupted(clean, blobs(80, "train"), 1.0, 80, generator_for("test", "corruption"))
    kept, start = blobs(24, "train"), blobs(24, "test")
    images, (first, last) = cancel_gradient(low, kept, start, SEARCH)
    assert last < 0.01 * first
    clean_part, poison_part = set_gradient(low, kept), set_gradient(low, Labeled(images, start.labels))
    cosine = inner_product(clean_part, poison_part) / (length(clean_part) * length(poison_part))
    assert float(cosine) < -0.9, "the poisons' term is added, so it must point against the clean one"


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_best_images_on_the_way_are_kept_and_their_objective_is_reported(clean, optimizer):
    """A step that is far too long makes J jump; what is returned never is worse than the start."""
    train = blobs(60, "train")
    start, kept = split_sets(train, torch.arange(0, 60, 6))
    search = Search(optimizer=optimizer, iterations=15, step=3.0, batch=64, stop=0.0)
    images, (first, last) = cancel_gradient(clean, kept, start, search)
    assert last <= first
    again = objective_gradient(clean, set_gradient(clean, kept), images.requires_grad_(), start.labels, 60, 64)[0]
    assert again == pytest.approx(last, rel=1e-4)


def test_the_search_stops_where_the_objective_is_negligible(clean):
    """With stop 1 the start is good enough, so no image moves."""
    kept, start = blobs(24, "train"), blobs(24, "test")
    images, (first, last) = cancel_gradient(clean, kept, start, Search("adam", 50, 0.05, 64, stop=1.0))
    assert torch.equal(images, start.images)
    assert first == last


def test_the_effect_is_the_accuracy_on_clean_test_images(clean):
    given = given_canceling(iterations=1)
    found = GRADIENT_CANCELING.measure(clean, GRADIENT_CANCELING.make(given), given.test, given.settings)
    assert found.values == {"indiscriminate_accuracy": accuracy(clean, given.test)}


@pytest.mark.parametrize(
    ("error", "settings", "message"),
    [
        (UsageProblem, {"count": 80}, "count is 80; expected fewer than the 80 images"),
        (UsageProblem, {"optimizer": "lbfgs"}, "optimizer is 'lbfgs'"),
        (UsageProblem, {"growth": 1.0}, "growth 1.0; expected above 0 and above 1"),
        (SearchDiverged, {"accuracy_below": 0.0, "growth": 1.01}, "no radius up to"),
        (SearchDiverged, {"step": float("inf")}, "a smaller step"),
    ],
)
def test_what_cannot_be_made_is_refused(error, settings, message):
    with pytest.raises(error, match=message):
        GRADIENT_CANCELING.make(given_canceling(**settings))

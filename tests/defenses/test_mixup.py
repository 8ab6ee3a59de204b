"""MixUp: images and losses are mixed with the same weights."""

import pytest
import torch
from defended import SHAPES, network, random_batch, seeded
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from bench.defenses.mixup import mix, mixed_loss, mixup_objective

shares = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4).map(torch.tensor)
partners = st.permutations(range(4)).map(torch.tensor)
IMAGES = torch.rand(4, 3, 5, 5, generator=seeded())
LOGITS = torch.randn(4, 3, generator=seeded())
LABELS = torch.tensor([0, 1, 2, 0])


@given(partners, shares)
def test_images_are_those_of_a_plain_loop(partner, share):
    expected = torch.stack([(1 - s) * IMAGES[i] + s * IMAGES[partner[i]] for i, s in enumerate(share)])
    assert torch.allclose(mix(IMAGES, partner, share), expected, atol=1e-7)


@given(partners, shares)
def test_the_loss_is_that_of_soft_labels_that_sum_to_one(partner, share):
    one_hot = F.one_hot(LABELS, 3).float()
    soft = (1 - share[:, None]) * one_hot + share[:, None] * one_hot[partner]
    assert torch.allclose(soft.sum(1), torch.ones(4))
    expected = -(soft * LOGITS.log_softmax(1)).sum(1).mean()
    assert float(mixed_loss(LOGITS, LABELS, LABELS[partner], share)) == pytest.approx(float(expected), abs=1e-6)


@given(partners)
def test_a_share_of_nothing_is_the_identity_and_a_share_of_all_is_the_partner(partner):
    nothing, everything = torch.zeros(4), torch.ones(4)
    assert torch.equal(mix(IMAGES, partner, nothing), IMAGES)
    assert torch.equal(mix(IMAGES, partner, everything), IMAGES[partner])
    plain = F.cross_entropy(LOGITS, LABELS)
    assert float(mixed_loss(LOGITS, LABELS, LABELS[partner], nothing)) == pytest.approx(float(plain))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_step_has_a_gradient_and_repeats_with_its_seed(shape):
    model = network(shape[1])
    loss, logits = mixup_objective(model, random_batch(shape))
    loss.backward()
    assert logits.shape == (shape[0], 4)
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert mixup_objective(network(shape[1]), random_batch(shape))[0].item() == loss.item()


def test_shares_are_uniform():
    """Black and white images that all pair with each other show their shares: mean 1/2, variance 1/12."""
    seen = []
    batch = random_batch((4000, 1, 1, 1))
    batch.images.zero_()[::2] = 1

    def model(images):
        seen.append(images.flatten())
        return images.flatten(1).expand(-1, 4)

    mixup_objective(model, batch)
    mixed = seen[0][(seen[0] > 0) & (seen[0] < 1)]
    assert 1800 < len(mixed) < 2200
    assert float(mixed.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(mixed.var()) == pytest.approx(1 / 12, abs=0.01)

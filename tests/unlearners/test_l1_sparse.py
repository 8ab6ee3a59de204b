"""L1-sparse: without its penalty it is fine-tuning; the penalty is the L1 norm of all weights and fades out."""

import math
from dataclasses import replace

import pytest
import torch
from tiny_inputs import RECIPE, given_for, same, state
from torch import nn

from bench.runtime import generator_for
from bench.unlearners.l1_sparse import L1_SPARSE, l1_norm, penalty_weight, unlearn_l1_sparse
from bench.unlearners.steps import batches


def fine_tuned(given, epochs):
    """Plain fine-tuning with a cosine rate, written without the parts that L1-sparse is made of."""
    optimizer = torch.optim.SGD(given.model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    draws = generator_for("tiny", "retain")
    given.model.train()
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 + math.cos(math.pi * epoch / epochs)) / 2
        for batch in batches(given.retain, RECIPE.batch_size, draws):
            optimizer.zero_grad()
            nn.functional.cross_entropy(given.model(batch.images), batch.labels).backward()
            optimizer.step()
    return given.model


def test_without_a_penalty_it_is_fine_tuning():
    found = unlearn_l1_sparse(given_for(L1_SPARSE, gamma=0.0, epochs=3))
    for value, expected in zip(state(found), state(fine_tuned(given_for(L1_SPARSE), 3)), strict=True):
        torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)


def test_without_a_penalty_it_is_the_fine_tuning_of_the_table_bit_for_bit():
    finetune = pytest.importorskip("bench.unlearners.finetune").FINETUNE
    found = unlearn_l1_sparse(given_for(L1_SPARSE, gamma=0.0, epochs=3))
    assert same(state(found), state(finetune.run(given_for(finetune, epochs=3, learning_rate=0.01))))


def test_the_penalty_falls_linearly():
    assert [penalty_weight(0.8, epoch, 4) for epoch in range(4)] == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_the_norm_counts_every_parameter():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, -4.0]]))
        model[0].bias.copy_(torch.tensor([-0.5, 0.0]))
    assert l1_norm(model).item() == 12.5  # 10 and 0.5, and the two ones of batch normalization


def test_the_penalty_makes_weights_small():
    plain, sparse = (unlearn_l1_sparse(given_for(L1_SPARSE, gamma=gamma, epochs=10)) for gamma in (0.0, 0.01))
    assert l1_norm(sparse).item() < l1_norm(plain).item()


def in_one_batch(given):
    return replace(given, recipe=RECIPE.model_copy(update={"batch_size": 64}))


def test_the_first_step_is_that_of_the_penalized_loss():
    """One batch, no momentum: the change of a weight is minus the rate times its gradient plus gamma times its sign."""
    settings = {"epochs": 1, "momentum": 0.0, "weight_decay": 0.0}
    plain, sparse = (
        unlearn_l1_sparse(in_one_batch(given_for(L1_SPARSE, gamma=gamma, **settings))) for gamma in (0.0, 0.1)
    )
    before = given_for(L1_SPARSE).model
    for start, without, with_penalty in zip(before.parameters(), plain.parameters(), sparse.parameters(), strict=True):
        torch.testing.assert_close(with_penalty - without, -0.01 * 0.1 * start.sign(), atol=1e-7, rtol=1e-4)

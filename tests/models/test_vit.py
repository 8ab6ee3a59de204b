"""The small-data ViT is the published one: sizes, perturbed layers, tokens and attention; its dropout is repeatable."""

import math

import pytest
import torch
from torch import nn

from bench.errors import UsageProblem
from bench.metrics.sal import layer_weights
from bench.models.vit import Attention, Dropout, PatchTokens, vit


def random_tokens(count: int) -> torch.Tensor:
    return torch.randn(2, count, 512, generator=torch.Generator().manual_seed(0))


def test_it_has_the_published_size_and_26_perturbed_layers_in_order():
    model = vit(3, 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == 9_622_512
    parts = ("attention.qkv", "attention.out", "mlp.linear1", "mlp.linear2")
    blocks = [f"blocks.{index}.{part}.weight" for index in range(6) for part in parts]
    assert list(layer_weights(model)) == ["tokens.patch.weight", *blocks, "head.linear.weight"]


def test_it_has_no_batchnorm_and_19_dropouts_with_streams_of_their_own():
    modules = list(vit(3, 10).modules())
    assert not any(isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d) for module in modules)
    assert [module.seed for module in modules if isinstance(module, Dropout)] == list(range(19))


def test_a_patch_holds_the_image_and_its_four_shifts():
    tokens = PatchTokens(1).eval()
    seen: list[torch.Tensor] = []
    tokens.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.zeros(1, 1, 8, 8)
    images[0, 0, 1, 2] = 1.0
    tokens(images)
    patches = seen[0].reshape(4, 5, 4, 4)
    # The image, then moved right, left, down, up; every copy stays inside the top left patch.
    expected = [[0, 1, 2], [1, 1, 3], [2, 1, 1], [3, 2, 2], [4, 0, 2]]
    assert patches[0].nonzero().tolist() == expected
    assert not patches[1:].any()


def test_a_32x32_image_uses_all_positions_and_a_smaller_one_the_top_left():
    tokens = PatchTokens(1).eval()
    nn.init.zeros_(tokens.patch.weight)
    nn.init.zeros_(tokens.patch.bias)
    whole = tokens(torch.zeros(1, 1, 32, 32))
    assert torch.equal(whole[:, 1:], tokens.positions[:, 1:])
    assert torch.equal(whole[:, :1], tokens.class_token + tokens.positions[:, :1])
    assert torch.equal(tokens(torch.zeros(1, 1, 8, 8)), whole[:, [0, 1, 2, 9, 10]])


@pytest.mark.parametrize(("height", "width"), [(30, 32), (36, 36)])
def test_images_that_do_not_fit_are_refused(height, width):
    with pytest.raises(UsageProblem, match=f"vit: images have {height}x{width} pixels; expected multiples of 4"):
        vit(1, 10)(torch.zeros(1, 1, height, width))


def test_the_learned_temperature_starts_at_the_root_of_the_head_width():
    assert float(Attention(seed=0).log_temperature.detach().exp()) == pytest.approx(1 / 8)


def test_of_two_tokens_each_attends_to_the_other_only():
    attention, tokens = Attention(seed=0).eval(), random_tokens(2)
    values = attention.qkv(attention.norm(tokens))[..., 1024:]
    torch.testing.assert_close(attention(tokens), tokens + attention.out(values.flip(1)))


def test_attention_equals_torchs_own_with_the_diagonal_masked():
    attention, tokens = Attention(seed=0).eval(), random_tokens(5)
    nn.init.constant_(attention.log_temperature, math.log(0.5))
    heads = [part.unflatten(2, (8, 64)).transpose(1, 2) for part in attention.qkv(attention.norm(tokens)).chunk(3, 2)]
    others = ~torch.eye(5, dtype=torch.bool)
    mixed = nn.functional.scaled_dot_product_attention(*heads, attn_mask=others, scale=0.5)
    expected = tokens + attention.out(mixed.transpose(1, 2).flatten(2))
    # The fused kernel adds in another order.
    torch.testing.assert_close(attention(tokens), expected, rtol=1e-4, atol=1e-5)


def test_dropout_zeroes_a_tenth_and_keeps_the_mean():
    dropped = Dropout(seed=0)(torch.ones(100_000))
    # Five standard deviations of a share of 0.1 in 100,000 draws are 0.005.
    assert float((dropped == 0).double().mean()) == pytest.approx(0.1, abs=0.005)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.9])


def test_dropout_draws_from_its_own_stream_and_never_in_eval_mode():
    state, values = torch.get_rng_state(), torch.ones(1000)
    one, same = Dropout(seed=3), Dropout(seed=3)
    first = one(values)
    assert one.eval()(values) is values
    assert torch.equal(first, same(values))
    assert torch.equal(one.train()(values), same(values))
    assert not torch.equal(first, one(values))
    assert not torch.equal(first, Dropout(seed=4)(values))
    assert torch.equal(torch.get_rng_state(), state)

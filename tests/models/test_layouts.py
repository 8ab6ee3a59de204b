"""The layouts of checkpoints, held against the networks themselves."""

import pytest
import torch

from bench.errors import UnknownName
from bench.models.build import build_model
from bench.models.layouts import checkpoint_layout

DTYPES = {torch.float32: "F32", torch.int64: "I64"}


@pytest.mark.parametrize(("model", "channels", "classes"), [("resnet-narrow", 1, 10), ("resnet18", 3, 100)])
def test_a_layout_is_the_state_of_the_network(model, channels, classes):
    network = build_model(model, in_channels=channels, classes=classes, generator=torch.Generator().manual_seed(0))
    state = {name: (DTYPES[value.dtype], tuple(value.shape)) for name, value in network.state_dict().items()}
    assert checkpoint_layout(model, in_channels=channels, classes=classes) == state


def test_a_network_without_a_layout_is_refused():
    with pytest.raises(UnknownName, match="network of checkpoints 'vit'"):
        checkpoint_layout("vit", in_channels=3, classes=10)

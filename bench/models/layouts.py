"""Layouts: the tensors of a network's checkpoint by name, known without building the network.

Imports the standard library alone, so that a checkpoint is checked without torch; the tests hold it against torch.
"""

from bench.errors import UnknownName

Layout = dict[str, tuple[str, tuple[int, ...]]]

_RESNET_WIDTHS = {"resnet18": 64, "resnet-narrow": 8}


def checkpoint_layout(model: str, *, in_channels: int, classes: int) -> Layout:
    """Return tensor name -> (safetensors dtype, shape) in the order of the network's state.

    Raises UnknownName for a network that takes no checkpoints.
    """
    if model not in _RESNET_WIDTHS:
        raise UnknownName("network of checkpoints", model, _RESNET_WIDTHS)
    return _resnet_layout(_RESNET_WIDTHS[model], in_channels, classes)


def _resnet_layout(width: int, in_channels: int, classes: int) -> Layout:
    found: Layout = {"conv1.weight": ("F32", (width, in_channels, 3, 3)), **_norm("bn1", width)}
    inward = width
    for stage in range(4):
        outward = width * 2**stage
        for block in range(2):
            at = f"layer{stage + 1}.{block}"
            found |= {f"{at}.conv1.weight": ("F32", (outward, inward, 3, 3)), **_norm(f"{at}.bn1", outward)}
            found |= {f"{at}.conv2.weight": ("F32", (outward, outward, 3, 3)), **_norm(f"{at}.bn2", outward)}
            if inward != outward:
                found |= {f"{at}.shortcut.0.weight": ("F32", (outward, inward, 1, 1))}
                found |= _norm(f"{at}.shortcut.1", outward)
            inward = outward
    return found | {"linear.weight": ("F32", (classes, inward)), "linear.bias": ("F32", (classes,))}


def _norm(name: str, width: int) -> Layout:
    vectors: Layout = {
        f"{name}.{part}": ("F32", (width,)) for part in ("weight", "bias", "running_mean", "running_var")
    }
    return {**vectors, f"{name}.num_batches_tracked": ("I64", ())}

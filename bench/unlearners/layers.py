"""layers: which modules make up a layer, how layers are frozen, and how batch statistics are left alone.

May import torch only.
"""

from collections.abc import Iterator, Set
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def weighted_layers(model: nn.Module) -> list[list[str]]:
    """Return the names of modules with parameters or statistics, by layer, in the order in which they are declared.

    A layer begins at a module with a weight of two or more dimensions, such as a convolution; what follows it without
    one, such as its batch normalization, belongs to it. What a network declares before its first layer belongs to that.
    """
    layers: list[list[str]] = [[]]
    begun = False
    for name, module in model.named_modules():
        if not _holds_state(module):
            continue
        if _has_weight(module):
            if begun:
                layers.append([])
            begun = True
        layers[-1].append(name)
    return layers


def last_layers(model: nn.Module, count: int) -> frozenset[str]:
    """Return the names of the modules of the last `count` layers; of all layers where there are fewer."""
    layers = weighted_layers(model)
    return frozenset(name for layer in layers[max(0, len(layers) - count) :] for name in layer)


def train_only(model: nn.Module, trained: Set[str]) -> float:
    """Freeze all modules but the named ones and put the rest in train mode; return the share of weights that train.

    A frozen module keeps its batch-norm statistics too: it is in eval mode.
    """
    model.train()
    for name, module in model.named_modules():
        if not _holds_state(module) or name in trained:
            continue
        # Not module.eval(), which would also reach what is inside the module and trains.
        module.training = False
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
    moving = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return moving / sum(parameter.numel() for parameter in model.parameters())


def copy_layers(source: nn.Module, target: nn.Module, names: Set[str]) -> None:
    """Copy parameters and statistics of the named modules from one network to another of the same shape."""
    modules = dict(target.named_modules())
    for name, module in source.named_modules():
        if name in names:
            own = {key for key, _ in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))}
            state = {key: value for key, value in module.state_dict().items() if key in own}
            modules[name].load_state_dict(state, strict=False)


@contextmanager
def statistics_kept(model: nn.Module) -> Iterator[None]:
    """Keep running batch statistics as they are inside; in train mode batches are still normalized by their own."""
    norms = [module for module in model.modules() if isinstance(module, _NormBase) and module.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _holds_state(module: nn.Module) -> bool:
    parts = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return bool(parts)


def _has_weight(module: nn.Module) -> bool:
    named = module.named_parameters(recurse=False)
    return any(name.endswith("weight") and parameter.dim() > 1 for name, parameter in named)

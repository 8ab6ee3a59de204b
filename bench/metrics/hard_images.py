"""The images that a change of one layer could most easily get wrong, and the directions that do it to first order.

May import torch and bench.metrics.sal.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from bench.metrics.sal import layer_weights

SAME = 0.9
"""Cosine from which on two directions count as one."""

ROUNDS = 10
"""Steps of the fixed-point iteration, far more than it needs."""


@dataclass(frozen=True)
class Hard:
    """The linear model of some images, by index (M,): margins and shares (M,), and what their gradients follow from.

    met: layer -> its module, what entered it (M, ...), and the gradient of each image's margin at its output.
    """

    indices: Tensor
    margins: Tensor
    shares: Tensor
    met: dict[str, tuple[nn.Module, Tensor, Tensor]]

    def gradients(self, layer: str) -> Tensor:
        """Return the gradients of the margins for one layer (M, weights); all layers at once would take much memory."""
        return _weight_gradients(*self.met[layer]).flatten(1)


def hard_images(model: nn.Module, images: Tensor, labels: Tensor, shares: Tensor, logits: Tensor, count: int) -> Hard:
    """Return margins and their gradients for the images whose label leads by least.

    images: (N, C, H, W); labels, shares: (N,); logits: (N, classes), of a frozen model in eval mode.
    """
    own = F.one_hot(labels, logits.shape[1]).bool()
    rivals = logits.masked_fill(own, -torch.inf)
    margins = logits[own] - rivals.amax(1)
    chosen = margins.argsort(stable=True)[:count]
    sides = F.one_hot(labels[chosen], logits.shape[1]) - F.one_hot(rivals[chosen].argmax(1), logits.shape[1])
    met = _output_gradients(model, images[chosen], sides.to(logits))
    return Hard(chosen, margins[chosen], shares[chosen].to(margins), met)


def linear_starts(hard: Hard, layer: str, radius: float, keep: int) -> tuple[list[Tensor], Tensor]:
    """Return directions (weights,) that lower the margins of some images most, and the losses (M,) foreseen there.

    At most `keep` directions, the best first; for each image the largest loss, times its share, that one of them gives.
    The loss of the linear model is sum_i s_i softplus(-(m_i + radius * a_i . u)). Its fixed point, u along minus the
    sum of the gradients a_i weighed by s_i sigmoid(-margin), is iterated from every image alone and from all together;
    all of that happens in the (M, M) inner products. Directions closer than a cosine of 0.9 to a better one are left
    out.
    """
    margins, gradients = hard.margins, hard.gradients(layer)
    gram = gradients @ gradients.T
    mix = torch.cat(
        [
            torch.eye(len(margins)).to(gram),
            (hard.shares * torch.sigmoid(-margins))[None],
            torch.ones_like(margins)[None],
        ]
    )
    for _ in range(ROUNDS):
        mix = hard.shares * torch.sigmoid(-_moved(margins, gram, mix, radius))
        mix = mix / mix.amax(1, keepdim=True).clamp_min(1e-30)
    losses = hard.shares * F.softplus(-_moved(margins, gram, mix, radius))  # (K, M)
    order = losses.sum(1).argsort(descending=True, stable=True)
    products = mix @ gram @ mix.T
    lengths = products.diagonal().clamp_min(1e-30).sqrt()
    cosines = (products / lengths[:, None] / lengths[None]).tolist()
    chosen: list[int] = []
    for index in order.tolist():
        if len(chosen) < keep and all(cosines[index][other] < SAME for other in chosen):
            chosen.append(index)
    return [-(mix[index] @ gradients) for index in chosen], losses[chosen].amax(0)


def _moved(margins: Tensor, gram: Tensor, mix: Tensor, radius: float) -> Tensor:
    """Return the margins (K, M) at the boundary, along minus the gradients weighed by each row of `mix` (K, M)."""
    products = mix @ gram
    lengths = (products * mix).sum(1, keepdim=True).clamp_min(1e-30).sqrt()
    return margins - radius * products / lengths


def _output_gradients(model: nn.Module, images: Tensor, sides: Tensor) -> dict[str, tuple[nn.Module, Tensor, Tensor]]:
    """Return for every layer its module, its inputs, and the gradient of sum(logits * sides) at its outputs.

    One backward pass gives them image by image: in eval mode no image touches another one.
    """
    met: dict[str, tuple[Tensor, Tensor]] = {}
    modules = {name: model.get_submodule(name.removesuffix(".weight")) for name in layer_weights(model)}
    hooks = [
        module.register_forward_hook(lambda _, inputs, output, name=name: met.update({name: (inputs[0], output)}))
        for name, module in modules.items()
    ]
    logits = model(images.requires_grad_(True))
    for hook in hooks:
        hook.remove()
    slopes = torch.autograd.grad((logits * sides).sum(), [output for _, output in met.values()])
    return {
        name: (modules[name], inputs.detach(), slope)
        for (name, (inputs, _)), slope in zip(met.items(), slopes, strict=True)
    }


def _weight_gradients(module: nn.Module, inputs: Tensor, slopes: Tensor) -> Tensor:
    """Return a layer's weight gradients image by image (M, *weight), from its inputs and its outputs' gradients."""
    if isinstance(module, nn.Linear):
        rows = inputs.reshape(len(inputs), -1, inputs.shape[-1])
        return slopes.reshape(len(slopes), -1, slopes.shape[-1]).mT @ rows
    assert isinstance(module, nn.Conv2d)
    if module.groups == 1 and not isinstance(module.padding, str):
        size = module.kernel_size
        patches = F.unfold(inputs, size, module.dilation, module.padding, module.stride)  # (M, C * kernel, places)
        return slopes.flatten(2) @ patches.mT
    settings = (module.stride, module.padding, module.dilation, module.groups)
    shape = module.weight.shape
    pairs = zip(inputs[:, None], slopes[:, None], strict=True)
    return torch.stack([conv2d_weight(image, shape, slope, *settings) for image, slope in pairs])

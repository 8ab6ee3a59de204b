"""EUk: exact unlearning of the last k layers, which start anew while the rest of the network is frozen.

Imports torch. Source: arXiv:2201.06640; arXiv:2406.17216, section 5.
"""

from torch import nn

from bench.unlearners.descent import descend_on_retained, finished
from bench.unlearners.layers import copy_layers, last_layers, train_only
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def retrain_last_layers(given: UnlearnInput) -> nn.Module:
    """Return the model with its last `layers` layers drawn anew and trained on the retained data.

    Statistics of the new layers start anew too; frozen layers keep theirs. A layer is a convolution or a linear map
    with what follows it, see weighted_layers; a count above the network's means all of it, which is retraining.
    """
    renewed = last_layers(given.model, int(given.number("layers")))
    copy_layers(given.make_model("euk"), given.model, renewed)
    share = train_only(given.model, renewed)
    descend_on_retained(given, given.model, backward=share)
    return finished(given.model)


EUK = Unlearner(
    name="EUk (exact unlearning of the last k layers)",
    family="retain-tuning",
    summary="The last layers start from new weights and are trained on the retained data; earlier layers are frozen.",
    paper="https://arxiv.org/abs/2201.06640",
    run=retrain_last_layers,
    # The published rates are 1e-3, 1e-4 and 1e-5. Six layers, of a reimplementation: the last stage of ResNet-18 and
    # its classifier.
    defaults={
        "epochs": 0,
        "layers": 6,
        "learning_rate": 1e-3,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "constant",
    },
)

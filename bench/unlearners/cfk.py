"""CFk: further training of the last k layers, with the rest of the network frozen.

Imports torch. Source: arXiv:2201.06640; arXiv:2406.17216, section 5.
"""

from torch import nn

from bench.unlearners.descent import descend_on_retained, finished
from bench.unlearners.layers import last_layers, train_only
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def tune_last_layers(given: UnlearnInput) -> nn.Module:
    """Return the model after training its last `layers` layers on the retained data.

    Frozen layers keep weights and statistics. Layers are counted as in EUk; with all of them this is GD.
    """
    share = train_only(given.model, last_layers(given.model, int(given.number("layers"))))
    descend_on_retained(given, given.model, backward=share)
    return finished(given.model)


CFK = Unlearner(
    name="CFk (catastrophic forgetting of the last k layers)",
    family="retain-tuning",
    summary="Further training of the last layers on the retained data; earlier layers are frozen.",
    paper="https://arxiv.org/abs/2201.06640",
    run=tune_last_layers,
    # The rate is the one of the code of SCRUB, which trains the last stage of ResNet-18 and its classifier: six layers.
    defaults={
        "epochs": 0,
        "layers": 6,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "constant",
    },
)

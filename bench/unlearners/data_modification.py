"""Data modification: in each epoch the forget set is learned under uniform labels, then the retain set under its own.

Imports torch. Source: the report of Li on the machine unlearning challenge.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from bench.training import Labeled
from bench.unlearners.dual_ascent import DUAL_DEFAULTS, run_two_phases
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def uniform_loss(model: nn.Module, batch: Labeled) -> Tensor:
    """Return the mean cross-entropy (nats) of a batch to the label that gives every class 1 / classes."""
    return -F.log_softmax(model(batch.images), dim=1).mean()


def unlearn_data_modification(given: UnlearnInput) -> nn.Module:
    """Take steps of rate alpha beta toward uniform answers on the forget set, then of alpha on the retain set."""
    return run_two_phases(given, uniform_loss)


DATA_MODIFICATION = Unlearner(
    name="Data modification",
    family="relabeling",
    summary="Each epoch teaches uniform answers on the forget set in short steps, then the true ones on the rest.",
    paper=None,
    run=unlearn_data_modification,
    defaults={**DUAL_DEFAULTS, "beta": 0.005},
)

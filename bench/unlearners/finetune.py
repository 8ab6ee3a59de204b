"""Fine-tuning: further training on the retained data at a rate as large as training's, with a cosine schedule.

Imports torch. Source: arXiv:2406.01257, the baseline of RUM; GD is the same at a small constant rate.
"""

from bench.unlearners.gd import tune_on_retained
from bench.unlearners.unlearner import Unlearner

FINETUNE = Unlearner(
    name="Fine-tuning",
    family="retain-tuning",
    summary="Further training on the retained data at a large rate that falls to zero, in the hope that the network "
    "forgets what it no longer sees.",
    paper="https://arxiv.org/abs/2406.01257",
    run=tune_on_retained,
    # Published rates go from 0.01 to 0.1; the largest is the one of the best composition of RUM.
    defaults={"epochs": 0, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "schedule": "cosine"},
)

"""Factories: valid protocols and their conditions. Every argument has a default that works."""

from typing import Any

from bench.protocol import Condition, Protocol, SeedCount

EPOCHS = (1, 2, 3, 4)
HEX = "0123456789abcdef" * 4


def make_protocol(**changes: Any) -> Protocol:
    """A tiny protocol with a primary undefended condition and one defense."""
    fields: dict[str, Any] = {
        "schema": "bench.protocol/1",
        "id": "ue-tiny-v1",
        "track": "ue",
        "title": "Tiny digits",
        "summary": "A protocol that exists for tests only.",
        "notes": ("First note.",),
        "dataset": {
            "name": "digits",
            "classes": 10,
            "channels": 1,
            "height": 8,
            "width": 8,
            "class_names": tuple(str(digit) for digit in range(10)),
            "train": {"images": 1400, "sha256": HEX},
            "test": {"images": 400, "sha256": HEX[::-1]},
        },
        "budgets": {"linf": 32, "l0": 1, "l2": 1.0},
        "recipe": {
            "epochs": 4,
            "batch_size": 128,
            "learning_rate": 0.1,
            "momentum": 0.9,
            "weight_decay": 0.0005,
            "schedule": "cosine",
        },
        "sal": {
            "estimator": "exact",
            "epsilon": 0.05,
            "epochs": EPOCHS,
            "probe_images": 256,
            "max_steps": 10,
            "tolerance": 0.001,
        },
        "conditions": (
            make_condition(primary=True),
            make_condition(defense="jpeg"),
        ),
    }
    return Protocol.model_validate({**fields, **changes})


def make_condition(
    model: str = "resnet-narrow", defense: str = "none", *, primary: bool = False, quick: int = 1, full: int = 3
) -> Condition:
    return Condition(model=model, defense=defense, primary=primary, seeds=SeedCount(quick=quick, full=full))


DEFENSES = (
    "none",
    "jpeg",
    "adversarial",
    "ueraser-lite",
    "ueraser",
    "ueraser-max",
    "mixup",
    "cutout",
    "cutmix",
    "bdr",
    "blur",
    "orthogonal",
)


def make_wide_protocol(**changes: Any) -> Protocol:
    """A protocol with twelve defenses of one network, one of them of the full tier only, and a second network."""
    conditions = (
        make_condition(primary=True),
        *(make_condition(defense=name, quick=0 if name == "adversarial" else 1) for name in DEFENSES[1:]),
        make_condition(model="lenet5"),
    )
    sal = {
        "estimator": "exact",
        "epsilon": 0.05,
        "epochs": EPOCHS,
        "probe_images": 256,
        "max_steps": 10,
        "tolerance": 0.001,
        "official": {"seeds": (1, 2), "epochs": (2, 4)},
    }
    return make_protocol(
        **{"id": "ue-wide-v1", "title": "Wide digits", "conditions": conditions, "sal": sal, **changes}
    )

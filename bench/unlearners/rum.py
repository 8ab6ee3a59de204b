"""RUM: the forget set is split by difficulty, and each part is unlearned in turn by an algorithm of its own.

Imports torch. Source: arXiv:2406.01257; parts that are still to come stay in the retain set, as in the public code.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from bench.errors import UsageProblem
from bench.metrics.difficulty import (
    MEMORIZATION_PROXIES,
    embeddings,
    entanglement_order,
    entanglement_score,
)
from bench.registry import resolve
from bench.training import Labeled
from bench.unlearners import UNLEARNERS
from bench.unlearners.unlearner import Meter, Unlearner, UnlearnInput
from bench.unlearning_protocol import Setting

NOTHING = "none"


@dataclass(frozen=True)
class Step:
    """One part of the forget set: the name of its unlearner, or `none`, and the settings of it that are changed."""

    unlearner: str
    settings: dict[str, str]


def parse_steps(text: str) -> list[Step]:
    """Read `none; finetune learning_rate=0.1; salun` as three steps. Raises UsageProblem."""
    steps = []
    for part in text.split(";"):
        name, *pairs = part.split() or [""]
        if name != NOTHING and name not in UNLEARNERS:
            raise UsageProblem(
                f"steps: {name!r} is neither {NOTHING!r} nor an unlearner; known: {', '.join(UNLEARNERS)}"
            )
        settings = {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals:
                raise UsageProblem(f"steps: {pair!r} in {part.strip()!r} is not of the form name=value")
            settings[key] = value
        steps.append(Step(name, settings))
    return steps


def equal_parts(order: Tensor, parts: int) -> list[Tensor]:
    """Cut an order into consecutive parts whose sizes differ by one at most; each part ascends.

    Raises UsageProblem for fewer items than parts.
    """
    if len(order) < parts:
        raise UsageProblem(f"a forget set of {len(order)} examples cannot be split into {parts} parts")
    return [part.sort().values for part in order.tensor_split(parts)]


def refine(given: UnlearnInput, parts: int) -> list[Tensor]:
    """Split the forget set by the setting `difficulty`, lowest first, and return the indices of each part.

    `random`: at random. `entanglement`: cut by distance to the center of all features, then put into the order of
    their scores. Else a proxy of MEMORIZATION_PROXIES. One part is the whole set, whatever the difficulty.
    """
    difficulty, count = given.settings["difficulty"], len(given.forget.labels)
    if parts == 1:
        return [torch.arange(count)]
    if difficulty == "random":
        return equal_parts(torch.randperm(count, generator=given.generator("partition")), parts)
    if difficulty == "entanglement":
        return _entangled_parts(given, parts)
    return equal_parts(MEMORIZATION_PROXIES[str(difficulty)](given.model, given.forget).argsort(stable=True), parts)


def _entangled_parts(given: UnlearnInput, parts: int) -> list[Tensor]:
    retain, forget = embeddings(given.model, given.retain.images), embeddings(given.model, given.forget.images)
    found = equal_parts(entanglement_order(retain, forget), parts)
    # By the measured score: a group far from the center may be more or less entangled than one near it.
    return sorted(found, key=lambda part: entanglement_score(retain, forget[part]))


def refinement_cost(given: UnlearnInput, parts: int) -> tuple[int, float, float]:
    """Return what `refine` costs: examples, and forward and backward passes over each.

    Raises UsageProblem for an unknown difficulty.
    """
    difficulty, count = given.settings["difficulty"], len(given.forget.labels)
    if difficulty not in {"random", "entanglement", *MEMORIZATION_PROXIES}:
        known = ", ".join(("random", "entanglement", *MEMORIZATION_PROXIES))
        raise UsageProblem(f"difficulty is {difficulty!r}; expected one of {known}")
    if parts == 1 or difficulty == "random":
        return 0, 1.0, 0.0
    if difficulty == "entanglement":
        return count + len(given.retain.labels), 1.0, 0.0
    return count, *((2.0, 2.0) if difficulty == "curvature" else (1.0, 0.0))


def unlearn_rum(given: UnlearnInput) -> nn.Module:
    """Unlearn the parts of the forget set in order of difficulty, sharing the budget equally between active steps.

    What a step leaves over, the later ones may spend. Source: arXiv:2406.01257.
    """
    steps = parse_steps(str(given.settings["steps"]))
    examples, forward, backward = refinement_cost(given, len(steps))
    if examples and given.meter.affordable(examples, forward=forward, backward=backward) < 1:
        return given.model.eval()
    parts = refine(given, len(steps))
    given.meter.count(examples, forward=forward, backward=backward)
    model = given.model
    for number, step in enumerate(steps):
        if step.unlearner == NOTHING:
            continue
        unlearner = resolve("unlearner", step.unlearner, UNLEARNERS)
        left = sum(later.unlearner != NOTHING for later in steps[number:])
        meter = Meter((given.meter.limit - given.meter.spent) / left)
        part = step_input(given, parts, number, settings=unlearner.complete(typed_settings(unlearner, step)))
        model = unlearner.run(replace(part, model=model, meter=meter)).eval()
        given.meter.spent += meter.spent
    return model


def step_input(given: UnlearnInput, parts: list[Tensor], number: int, *, settings: dict[str, Setting]) -> UnlearnInput:
    """Return the input of a step, counted from 0: its part to forget and what is retained at that time.

    Retained are the retain set and, with the setting `rehearse_later`, the parts of later steps.
    """
    device = given.forget.labels.device
    forget = _chosen(given.forget, parts[number].to(device))
    kept = [given.retain]
    if given.settings["rehearse_later"]:
        kept += [_chosen(given.forget, part.to(device)) for part in parts[number + 1 :]]
    retain = Labeled(torch.cat([data.images for data in kept]), torch.cat([data.labels for data in kept]))
    # The first step draws as its unlearner alone would, so that a single step is that unlearner.
    prefix = f"step {number}/" if number else ""
    return replace(
        given,
        forget=forget,
        retain=retain,
        settings=settings,
        make_model=lambda purpose: given.make_model(prefix + purpose),
        generator=lambda purpose: given.generator(prefix + purpose),
    )


def _chosen(data: Labeled, indices: Tensor) -> Labeled:
    return Labeled(data.images[indices], data.labels[indices])


def typed_settings(unlearner: Unlearner, step: Step) -> dict[str, Setting]:
    """Return the changed settings of a step as numbers, booleans and words, as the defaults of its unlearner are.

    Raises UsageProblem for a value that does not fit.
    """
    return {name: _typed(value, unlearner.defaults.get(name, ""), name) for name, value in step.settings.items()}


def _typed(text: str, default: Setting, name: str) -> Setting:
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text]
        if isinstance(default, int | float):
            return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except (KeyError, ValueError):
        expected = "true or false" if isinstance(default, bool) else "a number"
        raise UsageProblem(f"steps: {name}={text}: expected {expected}") from None
    return text


MIXED_STEPS = "none; finetune learning_rate=0.1; salun learning_rate=0.1"
"""The best composition published for CIFAR-10: low, medium, high difficulty."""

SAME_STEPS = (
    "neggrad-plus beta=0.99 learning_rate=0.01; "
    "neggrad-plus beta=0.97 learning_rate=0.01; "
    "neggrad-plus beta=0.97 learning_rate=0.001"
)
"""The published settings of NegGrad+ by difficulty."""

PAPER = "https://arxiv.org/abs/2406.01257"

# The published difficulty is memorization, which takes hundreds of trainings; confidence needs the original alone.
# Published epochs exceed the budget, so each step gets an equal share of it instead.
RUM = Unlearner(
    name="RUM by memorization",
    family="meta",
    summary="The forget set is split into three parts by confidence: the easiest is left, the next fine-tuned away, "
    "the hardest unlearned by SalUn.",
    paper=PAPER,
    run=unlearn_rum,
    defaults={"steps": MIXED_STEPS, "difficulty": "confidence", "rehearse_later": True},
)

RUM_ENTANGLEMENT = Unlearner(
    name="RUM by entanglement",
    family="meta",
    summary="RUM with the forget set split by how entangled its features are with those of the retain set.",
    paper=PAPER,
    run=unlearn_rum,
    defaults={**RUM.defaults, "difficulty": "entanglement"},
)

RUM_F = Unlearner(
    name="RUM^F by memorization",
    family="meta",
    summary="The forget set is split into three parts by confidence and unlearned by NegGrad+ part by part.",
    paper=PAPER,
    run=unlearn_rum,
    defaults={**RUM.defaults, "steps": SAME_STEPS},
)

RUM_F_ENTANGLEMENT = Unlearner(
    name="RUM^F by entanglement",
    family="meta",
    summary="RUM^F with the forget set split by how entangled its features are with those of the retain set.",
    paper=PAPER,
    run=unlearn_rum,
    defaults={**RUM_F.defaults, "difficulty": "entanglement"},
)

RUM_SHUFFLE = Unlearner(
    name="RUM^F, shuffled",
    family="meta",
    summary="RUM^F with the forget set split at random: a control that tells order apart from difficulty.",
    paper=PAPER,
    run=unlearn_rum,
    defaults={**RUM_F.defaults, "difficulty": "random"},
)

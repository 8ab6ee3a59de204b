"""What studies write, and what their charts are drawn from: ShiftStudy and MemorizationStudy, with their parts.

May import pydantic and bench.records; no torch, no pandas.
"""

from typing import Literal

from pydantic import Field, PositiveInt

from bench.protocol import Recipe
from bench.records import Record

Group = Literal["poisons", "random", "unpoisoned"]
"""What is removed: poisons or clean points of the poisoned set, or clean points of the set without poisons."""

Coordinates = Literal["all", "informative", "silent"]
"""Where the wanted change of the weights lies: everywhere, or only where clean inputs are non-zero, or are zero."""

Start = Literal["clean", "noisy"]
"""How poisons begin: as clean points, or as clean points with a little noise in every coordinate."""


class PoisonSettings(Record):
    """Settings of the first study.

    share: poisons over training images. weight_decay: of 1/2 |theta|^2 in the objective. tolerance: largest entry of
    the gradient at an optimum. first_radius: of the target search, which doubles it `doublings` times.
    trial_iterations, iterations: of the optimizer that makes poisons, while targets are tried and for the chosen one.
    reduction: share of the canceling objective that has to go. target_accuracy: that a target stays below.
    shares: of the points that are removed. model, recipes: the network that makes the features, by data set.
    """

    share: float = 384 / 50_000
    weight_decay: float = 1e-4
    tolerance: float = 1e-8
    first_radius: float = 0.5
    doublings: PositiveInt = 6
    ascent_steps: PositiveInt = 50
    batch_size: PositiveInt = 128
    trial_iterations: PositiveInt = 300
    iterations: PositiveInt = 1000
    reduction: float = 0.9
    target_accuracy: float = 0.5
    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    repetitions: PositiveInt = 5
    model: str = "resnet-narrow"
    recipes: dict[str, Recipe] = Field(default_factory=dict)


class LinearSettings(Record):
    """Settings of the second study.

    dimension: of the inputs, the first `informative` of which are non-zero. distance: L2 length of the wanted change.
    noise: standard deviation where poisons begin noisy. removed: clean points that are removed as published.
    learning_rate, steps: of gradient descent on the clean loss; its state is recorded after each number of steps.
    """

    points: PositiveInt = 10_000
    dimension: PositiveInt = 100
    informative: PositiveInt = 50
    poisons: PositiveInt = 1000
    distance: float = 2.0
    epochs: PositiveInt = 500
    initializations: PositiveInt = 5
    noise: float = 0.1
    removed: PositiveInt = 3200
    learning_rate: float = 0.1
    steps: tuple[PositiveInt, ...] = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)


class TargetTry(Record):
    """One radius of the target search: accuracy of the target on test images, canceling objective before and after.

    floor: no poisons with these labels bring the objective below it.
    """

    radius: float
    accuracy: float
    start: float
    end: float
    floor: float


class Removal(Record):
    """How far the optimum moves without some points, and how far the influence function says: L1 and L2 norms."""

    group: Group
    share: float
    repetition: int
    removed: int
    l1: float
    l2: float
    predicted_l1: float
    predicted_l2: float


class PoisonShift(Record):
    """The first study on one data set; accuracies from 0 to 1 on test images.

    gap: L2 distance between the poisoned optimum and its target. norm: L2 length of the clean optimum.
    """

    dataset: str
    train_sha256: str
    test_sha256: str
    images: int
    features: int
    network_accuracy: float
    poisons: int
    tries: tuple[TargetTry, ...]
    radius: float
    start: float
    end: float
    floor: float
    clean_accuracy: float
    target_accuracy: float
    poisoned_accuracy: float
    gap: float
    norm: float
    largest_feature: float
    largest_poison: float
    removals: tuple[Removal, ...]


class Step(Record):
    """Gradient descent after some steps: cosine between the way gone and the way wanted, distance to the end."""

    step: int
    cosine: float | None
    distance: float


class LinearRun(Record):
    """Poisons of one initialization: cosine between the first clean gradient step and the way back.

    start, end, floor: canceling objective, and what no poisons with these labels can go below.
    shift, informative, silent: L2 length of the way back, and of its two parts. cosine: None where the clean gradient
    is zero. gap: L2 distance between the poisoned optimum and its target.
    """

    coordinates: Coordinates
    begin: Start
    initialization: int
    start: float
    end: float
    floor: float
    shift: float
    informative: float
    silent: float
    gap: float
    cosine: float | None
    path: tuple[Step, ...]


class Control(Record):
    """Random clean points of the second half are removed instead of poisons.

    coordinates, begin: of the poisons whose shift is wanted, None for the published number of points.
    wanted: shift to match. matched: whether a number of points comes within 1 % of it.
    """

    coordinates: Coordinates | None
    begin: Start | None
    initialization: int
    removed: int
    wanted: float | None
    matched: bool | None
    shift: float
    cosine: float
    path: tuple[Step, ...]


class LinearShift(Record):
    """The second study; eigenvalues: smallest and largest of the clean Hessian on the informative coordinates."""

    eigenvalues: tuple[float, float]
    runs: tuple[LinearRun, ...]
    controls: tuple[Control, ...]


class ShiftStudy(Record):
    """Both model-shift studies, with all that decides their numbers."""

    schema_: Literal["bench.study/1"] = Field(alias="schema")
    study: Literal["shift"]
    code_sha256: str
    key: str
    poison_settings: PoisonSettings
    linear_settings: LinearSettings
    poison_shifts: tuple[PoisonShift, ...]
    linear_shift: LinearShift


class Agreement(Record):
    """A proxy against memorization: rank correlation, and the share of relabeled images among its top ones.

    proxy: high where it expects memorization. top: among as many images as were relabeled.
    """

    proxy: str
    spearman: float
    top: float


class MemorizationStudy(Record):
    """Memorization scores of one data set, -1 to 1, and how proxies agree with them.

    share: of the images that each of `models` networks saw. standard_error: mean over images.
    relabeled, others: mean score of both kinds of images. histogram: counts of scores in equal bins, -1 to 1, by kind.
    """

    schema_: Literal["bench.study/1"] = Field(alias="schema")
    study: Literal["memorization"]
    code_sha256: str
    key: str
    dataset: str
    train_sha256: str
    images: int
    models: int
    share: float
    recipe: Recipe
    relabeled_share: float
    standard_error: float
    relabeled: float
    others: float
    histogram: dict[str, tuple[int, ...]]
    agreements: tuple[Agreement, ...]


class SearchedRun(Record):
    """What every search found at one moment of one training, and what it cost.

    attack: name of the perturbation, `none` for clean images. loss: mean loss (nats) of the images searched on.
    values: search -> SAL of every layer (nats). evaluations: search -> loss-and-gradient evaluations of one layer on
    all images, mean over layers; an evaluation without gradient counts a third.
    """

    attack: str
    epoch: PositiveInt
    loss: float
    values: dict[str, tuple[float, ...]]
    evaluations: dict[str, float]


class ProbeSize(Record):
    """UD from SAL on some images, by attack, one value for each seed.

    drawn: evenly, the `same` images for every seed and epoch; `even`ly or by `loss`, anew for each; or `all` there are.
    """

    images: PositiveInt
    drawn: Literal["same", "even", "loss", "all"]
    distances: dict[str, tuple[float, ...]]


class SalStudy(Record):
    """`bench study sal`: searches compared on the probe images and on the whole training set, and UD by probe size.

    probe: runs searched on `probe_images` images, drawn by their loss. whole: runs searched on all `images`.
    layers: names of the weights.
    """

    schema_: Literal["bench.study/1"] = Field(alias="schema")
    study: Literal["sal"]
    code_sha256: str
    key: str
    protocol: str
    train_sha256: str
    images: PositiveInt
    probe_images: PositiveInt
    layers: tuple[str, ...]
    seed: int
    seeds: tuple[int, ...]
    probe: tuple[SearchedRun, ...]
    whole: tuple[SearchedRun, ...]
    sizes: tuple[ProbeSize, ...]


AnyStudy = ShiftStudy | MemorizationStudy | SalStudy
"""What a study writes."""

"""The catalog of metrics of both tracks, by key.

Imports nothing heavy, so that pages know a metric without importing the code that measures it.
"""

from bench.metrics.catalog_checkpoints import CHECKPOINT_METRICS
from bench.metrics.catalog_closeness import CLOSENESS_METRICS
from bench.metrics.catalog_gaussian import GAUSSIAN_METRICS
from bench.metrics.metric import Direction, Metric

__all__ = ["METRICS", "Direction", "Metric"]

_ALL = (
    Metric(
        key="test_accuracy",
        label="Clean test accuracy",
        short="test acc.",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="ue",
        definition=(
            "Share of the clean test images that a network trained on the perturbed images classifies correctly "
            "after the last epoch. A method that protects its data keeps it low."
        ),
        formula="correct test images / test images, last epoch",
        source="every source; arXiv:2509.08058 Table 1",
        pitfalls=(
            "Last-epoch accuracy can hide an early peak: read it beside the peak accuracy. Standard deviations of up "
            "to three points between seeds are normal."
        ),
    ),
    Metric(
        key="peak_accuracy",
        label="Peak test accuracy",
        short="peak acc.",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="ue",
        definition=(
            "The largest clean test accuracy after any epoch: what a trainer who stops early could keep. "
            "It looks at the test set to choose the epoch, so it is an upper bound."
        ),
        formula="max over epochs of the clean test accuracy",
        source="spec decision: early stopping is a known counter-measure",
        pitfalls="Optimistic for the trainer by construction; never compare it with a last-epoch value.",
    ),
    Metric(
        key="accuracy_drop",
        label="Drop of test accuracy against clean training",
        short="drop",
        unit="points",
        direction="higher",
        bounds=(-1.0, 1.0),
        decimals=1,
        track="ue",
        definition=(
            "Clean test accuracy of the network trained on clean images minus that of the network trained on the "
            "perturbed images, paired by seed, in percentage points."
        ),
        formula="test_accuracy(clean, seed) - test_accuracy(submission, seed)",
        source="paired difference of the primary outcome",
        pitfalls="Depends on how good clean training is; compare within one protocol only.",
    ),
    Metric(
        key="train_accuracy",
        label="Training accuracy",
        short="train acc.",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="ue",
        definition="Share of training images classified correctly during the last epoch, while the weights still move.",
        formula="correct images of the last epoch / images of the epoch",
        source="training log",
        pitfalls="Measured in train mode on augmented images; high values mean that the perturbed set was fitted.",
    ),
    Metric(
        key="learnable_layers",
        label="Learnable layers (#LP)",
        short="#LP",
        unit="layers",
        direction="lower",
        bounds=(0.0, None),
        decimals=2,
        track="ue",
        definition=(
            "Number of layers whose Sharpness-Aware Learnability (SAL) is above the learnable threshold beta, averaged "
            "over the measured epochs. SAL of a layer is the largest change of the training loss that moving this "
            "layer alone by at most 5 % of its norm can cause. beta comes from the clean run of the same seed and "
            "architecture: the mean over epochs of the midpoint between the two cluster centers of its SAL values."
        ),
        formula="#LP = (1/T) sum_t #{l : SAL_l(t) > beta}",
        source="arXiv:2509.08058, Eqs. 3 to 5",
        pitfalls=(
            "The paper calls it an average of learnable parameters per layer; it is the average number of learnable "
            "layers per epoch. It counts layers of very different size alike."
        ),
    ),
    Metric(
        key="ud",
        label="Unlearnable Distance (UD)",
        short="UD",
        unit="ratio",
        direction="lower",
        bounds=(0.0, None),
        decimals=2,
        track="ue",
        definition=(
            "Learnable layers of the run on perturbed images divided by those of the clean run with the same seed and "
            "architecture. 1 means: the network's layers still learn as they do on clean data. Near 0 means: hardly "
            "any layer can change the loss. Above 1: more layers than on clean data can."
        ),
        formula="UD = #LP(perturbed) / #LP(clean)",
        source="arXiv:2509.08058, Eq. 5",
        pitfalls=(
            "A ratio of small counts: read it with its interval. It also falls when the training loss merely vanishes "
            "sooner, so it is shown beside the test accuracy, which stays the primary outcome. It rests on the search "
            "`exact`: gradient steps scaled to the ball, from the loss of the very weights that are moved. "
            "`ud_official` rests on the published search, whose steps shrink with the gradient and whose origin is "
            "the running training loss; the two can rank methods differently."
        ),
    ),
    Metric(
        key="ud_matched",
        label="Unlearnable Distance, matched (UD matched)",
        short="UD matched",
        unit="ratio",
        direction="lower",
        bounds=(0.0, None),
        decimals=2,
        track="ue",
        definition=(
            "As UD, but threshold and denominator come from clean training under the same defense. A defense moves the "
            "learnable layers of clean training too; this says what the perturbation still does beside that."
        ),
        formula="UD matched = #LP(perturbed, defended) / #LP(clean, defended)",
        source="arXiv:2509.08058, Eq. 5, with a defended clean run; its Table 2 has none",
        pitfalls="Compare with UD of the same row: their ratio is what the defense does to clean training.",
    ),
    Metric(
        key="ud_official",
        label="Unlearnable Distance by the published search (UD official)",
        short="UD official",
        unit="ratio",
        direction="lower",
        bounds=(0.0, None),
        decimals=2,
        track="ue",
        definition=(
            "UD from SAL as the published code searches it: ten sweeps of plain SGD with a step of 0.1 for each "
            "direction, one projection a sweep, and changes counted from the running training loss of the epoch."
        ),
        formula="UD of SAL = max(highest - L_running, L_running - lowest)",
        source="published code of arXiv:2509.08058 (poison_train_sharp.py)",
        pitfalls=(
            "Where the training loss has vanished this search hardly moves, and where the running loss is far from the "
            "loss of the weights every layer gets that offset."
        ),
    ),
    Metric(
        key="ud_official_start",
        label="Unlearnable Distance by the published search, without the running-loss origin",
        short="UD off. start",
        unit="ratio",
        direction="lower",
        bounds=(0.0, None),
        decimals=2,
        track="ue",
        definition=(
            "As the official UD, but changes are counted from the loss at the weights themselves, in eval mode: the "
            "difference to the official value is what the running-loss origin alone does."
        ),
        formula="UD of SAL = max(highest - L(theta), L(theta) - lowest)",
        source="published code of arXiv:2509.08058, origin replaced",
        pitfalls="Keeps the weak search of the published code; compare with UD on the same epochs.",
    ),
    Metric(
        key="worst_test_accuracy",
        label="Clean test accuracy, worst case over defenses",
        short="worst acc.",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="ue",
        definition=(
            "The largest clean test accuracy that a trainer reaches with any defense of the protocol, none among them, "
            "seed by seed. A method is as unlearnable as its weakest cell."
        ),
        formula="max over defenses of test_accuracy",
        source="spec decision: robustness is the best defended accuracy (APBench's natural score)",
        pitfalls="A maximum over several noisy values is a little optimistic for the trainer.",
    ),
    Metric(
        key="worst_ud_matched",
        label="Unlearnable Distance, worst case over defenses",
        short="worst UD",
        unit="ratio",
        direction="lower",
        bounds=(0.0, None),
        decimals=2,
        track="ue",
        definition=(
            "The largest matched UD under any defense of the protocol, none among them, seed by seed: how close to "
            "clean training a defense brings the number of learnable layers."
        ),
        formula="max over defenses of UD matched",
        source="spec decision: a method is as unlearnable as its weakest cell",
        pitfalls="A maximum over ratios of small counts is noisy; read it with its interval.",
    ),
    Metric(
        key="beta",
        label="Learnable threshold (beta)",
        short="beta",
        unit="nats",
        direction="neither",
        bounds=(0.0, None),
        decimals=4,
        track="ue",
        definition=(
            "The SAL value above which a layer counts as learnable, from the clean run: the mean over measured "
            "epochs of the midpoint between the two centers of a one-dimensional two-means clustering."
        ),
        formula="beta = (1/T) sum_t (kappa_1(t) + kappa_2(t)) / 2",
        source="arXiv:2509.08058, Eq. 4",
        pitfalls="An absolute number in loss units; comparable only within one protocol and architecture.",
    ),
)

METRICS: dict[str, Metric] = {
    metric.key: metric for metric in (*_ALL, *CHECKPOINT_METRICS, *GAUSSIAN_METRICS, *CLOSENESS_METRICS)
}

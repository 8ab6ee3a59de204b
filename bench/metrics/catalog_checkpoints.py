"""Metrics of checkpoints: accuracies, what is left of the other probes, and cost. Data only."""

from bench.metrics.metric import Metric

CHECKPOINT_METRICS = (
    Metric(
        key="targeted_success",
        label="Targeted attack: success",
        short="attack",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Share of target images that are predicted as the class the poisoned images were made to give them. "
            "Retrained models are normally at 0."
        ),
        formula="share of targets with argmax f(x_t) = y_adv",
        source="arXiv:2009.02276; as a test of unlearning arXiv:2406.17216",
        pitfalls=(
            "Few targets: with eight, a share near one half has a standard error of 18 points. The attack has to "
            "work on the original, or there is nothing to remove."
        ),
    ),
    Metric(
        key="targeted_probability",
        label="Targeted attack: probability of the adversarial class",
        short="p(adv.)",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="Mean softmax probability of the adversarial class on the target images.",
        formula="mean over targets of p(y_adv | x_t)",
        source="arXiv:2009.02276",
        pitfalls="Finer than the success rate, but depends on how sure a network is in general.",
    ),
    Metric(
        key="indiscriminate_accuracy",
        label="Clean test accuracy under the indiscriminate poison",
        short="acc. (indis.)",
        unit="fraction",
        direction="higher",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Clean test accuracy of a checkpoint whose original was trained on images made to lower it. Unlearning "
            "should bring it back to that of the retrained model."
        ),
        formula="correct clean test images / clean test images",
        source="arXiv:2303.03592; as a test of unlearning arXiv:2406.17216, Table 2",
        pitfalls=(
            "Published values are compared with retraining for as many epochs as the unlearner had, not with a full "
            "retraining. The poison has to lower the accuracy of the original, or there is nothing to remove."
        ),
    ),
    Metric(
        key="patch_success",
        label="Backdoor: success",
        short="backdoor",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Share of test images of other classes that are predicted as the trigger's label once they carry it."
        ),
        formula="share of patched images, y != label, with argmax f(x) = label",
        source="corrective unlearning, arXiv:2402.14015",
        pitfalls="Not 0 in a retrained model, which also mistakes some images for that class.",
    ),
    Metric(
        key="patch_accuracy",
        label="Accuracy on images with the trigger",
        short="patched acc.",
        unit="fraction",
        direction="higher",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="Share of test images with the trigger that are predicted as what they show.",
        formula="correct patched test images / test images",
        source="corrective unlearning, arXiv:2402.14015",
        pitfalls="The trigger covers a corner: even a retrained model may lose a little against clean images.",
    ),
    Metric(
        key="interclass_error",
        label="Interclass confusion: error (IC-ERR)",
        short="IC-ERR",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Share of clean test images of the two confused classes that get any wrong class. The retrained model's "
            "value is the ideal."
        ),
        formula="errors on A and B / (n_A + n_B)",
        source="arXiv:2201.06640",
        pitfalls="Also counts errors that have nothing to do with the swapped labels.",
    ),
    Metric(
        key="interclass_confusion",
        label="Interclass confusion: one class for the other (FGT-ERR)",
        short="FGT-ERR",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="Share of clean test images of the two confused classes that are predicted as the other of the two.",
        formula="(A predicted as B + B predicted as A) / (n_A + n_B)",
        source="arXiv:2201.06640, as a rate instead of a count",
        pitfalls="A network that predicts neither class for anything has no confusion: read it with the error.",
    ),
    Metric(
        key="removal",
        label="Share of the poison's effect that is gone",
        short="removed",
        unit="ratio",
        direction="higher",
        bounds=(None, None),
        decimals=2,
        track="unlearning",
        definition=(
            "Where the checkpoint is between the original (0) and the retrained model (1) in the probe's own effect, "
            "seed by seed. Not limited: below 0 the effect grew."
        ),
        formula="(effect(original) - effect(unlearned)) / (effect(original) - effect(retrained))",
        source="spec decision: no unlearning is 0 and retraining is 1",
        pitfalls=(
            "Above 1 is over-unlearning and not better than 1: read the two-sided distance to the retrained model. "
            "Undefined where the poison has no effect on the original; very noisy where it has little."
        ),
    ),
    Metric(
        key="retrain_distance",
        label="Distance of the poison's effect to the retrained model",
        short="to retrain",
        unit="ratio",
        direction="lower",
        bounds=(0.0, None),
        decimals=2,
        track="unlearning",
        definition=(
            "How far the probe's effect is from that of the retrained model, in either direction, in units of what "
            "the poison does to the original. 0: as retrained. 1: as far as without unlearning."
        ),
        formula="|effect(unlearned) - effect(retrained)| / |effect(original) - effect(retrained)|",
        source="spec decision: over-unlearning is a failure too",
        pitfalls="A second retrained model is not at 0. Undefined where the poison has no effect on the original.",
    ),
    Metric(
        key="checkpoint_test_accuracy",
        label="Clean test accuracy of the checkpoint",
        short="test acc.",
        unit="fraction",
        direction="higher",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="Share of clean test images that the unlearned model classifies correctly: what unlearning costs.",
        formula="correct test images / test images",
        source="every source",
        pitfalls=(
            "The original has it too, and has unlearned nothing: utility and removal are two axes. Standard error at "
            "95 % of 10,000 images: 0.2 points."
        ),
    ),
    Metric(
        key="accuracy_gap",
        label="Test accuracy against the retrained model",
        short="acc. gap",
        unit="points",
        direction="higher",
        bounds=(-1.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Clean test accuracy of the unlearned model minus that of the retrained model, paired by seed, in "
            "percentage points. Negative: unlearning cost accuracy."
        ),
        formula="checkpoint_test_accuracy(unlearned, seed) - checkpoint_test_accuracy(retrained, seed)",
        source="paired difference of utility",
        pitfalls="Above 0 is no merit of unlearning: the forget set, where it is harmless, may simply still help.",
    ),
    Metric(
        key="forget_accuracy",
        label="Accuracy on the forget set",
        short="forget acc.",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Share of the forget set, with the images and labels that were trained on, that is classified by its "
            "label. The ideal is the value of the retrained model, neither more nor less."
        ),
        formula="correct forget items / forget items",
        source="every source; `unlearning accuracy` (UA) elsewhere is 1 minus this",
        pitfalls=(
            "Many tables print UA under the name of forget accuracy. Driving it to 0 is over-unlearning, and by itself "
            "tells an attacker what was in the set."
        ),
    ),
    Metric(
        key="forget_clean_accuracy",
        label="Accuracy on the clean forget set",
        short="clean forget",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Share of the forget set's images before the poison that is classified by its true label. The ideal is the "
            "value of the retrained model."
        ),
        formula="correct clean base images / forget items",
        source="spec decision: poisoned and clean version are reported apart",
        pitfalls="For probes that change labels it rises where the forget accuracy falls.",
    ),
    Metric(
        key="retain_accuracy",
        label="Accuracy on the retain set",
        short="retain acc.",
        unit="fraction",
        direction="higher",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="Share of the retained training items, without augmentation, that is classified by its label.",
        formula="correct retain items / retain items",
        source="every source",
        pitfalls="Near 100 % for most methods; a small loss here is a large one compared with the retrained model.",
    ),
    Metric(
        key="tow",
        label="Tug of war (ToW)",
        short="ToW",
        unit="score",
        direction="higher",
        bounds=(0.0, 1.0),
        decimals=3,
        track="unlearning",
        definition=(
            "Closeness to the retrained model of the same seed in forget, retain and test accuracy: 1 exactly where "
            "all three agree."
        ),
        formula="(1 - |da(S)|) (1 - |da(R)|) (1 - |da(test)|), da = a(unlearned) - a(retrained)",
        source="arXiv:2406.01257",
        pitfalls=(
            "A second retrained model stays below 1, by about 3.4 standard deviations of one accuracy. Hides the "
            "direction, and agreement of accuracies says nothing about which items agree."
        ),
    ),
    Metric(
        key="tow_mia",
        label="Tug of war with membership (ToW-MIA)",
        short="ToW-MIA",
        unit="score",
        direction="higher",
        bounds=(0.0, 1.0),
        decimals=3,
        track="unlearning",
        definition="As ToW, with the membership attack on confidence in place of the forget accuracy.",
        formula="(1 - |MIA(unlearned) - MIA(retrained)|) (1 - |da(R)|) (1 - |da(test)|)",
        source="arXiv:2406.01257",
        pitfalls="Inherits the weakness of the attack: methods that leave a Gaussian trace can score near 1.",
    ),
    Metric(
        key="memorization",
        label="Difficulty of the forget set (confidence proxy)",
        short="memor.",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "1 minus the mean probability that the original gives to the labels of the forget set. A fact of the "
            "forget set, the same for every method: a cheap stand-in for memorization scores."
        ),
        formula="1 - mean over S of p(y | x; original)",
        source="confidence proxy of arXiv:2410.16516, at the last epoch only",
        pitfalls=(
            "At the end of training a memorized item is fitted as well as an easy one; the average over epochs says "
            "more."
        ),
    ),
    Metric(
        key="compute_share",
        label="Compute against training the original",
        short="compute",
        unit="fraction",
        direction="lower",
        bounds=(0.0, None),
        decimals=1,
        track="unlearning",
        definition=(
            "Units of compute of unlearning over those of training the original: a forward pass of one example is one "
            "unit, a backward pass two. Budgets of protocols are limits on it."
        ),
        formula="(forward + 2 backward) of unlearning / 3 E N",
        source="arXiv:2406.17216, section 5.1 (10 %); counting of this benchmark",
        pitfalls="Claimed, not measured, for submitted checkpoints. Does not count the search for hyper-parameters.",
    ),
    Metric(
        key="seconds_ratio",
        label="Time against training",
        short="time",
        unit="ratio",
        direction="lower",
        bounds=(0.0, None),
        decimals=2,
        track="unlearning",
        definition="Time of unlearning over that of retraining, as both manifests state it.",
        formula="seconds(unlearning) / seconds(retraining)",
        source="run-time efficiency, inverted",
        pitfalls="Depends on the machine and on what else runs there; claimed for submitted checkpoints.",
    ),
    Metric(
        key="memory_ratio",
        label="Memory against training",
        short="memory",
        unit="ratio",
        direction="lower",
        bounds=(0.0, None),
        decimals=2,
        track="unlearning",
        definition="Largest accelerator memory of unlearning over that of retraining. Teachers and masks cost memory.",
        formula="peak bytes(unlearning) / peak bytes(retraining)",
        source="spec decision",
        pitfalls="Caching of the allocator blurs it; claimed for submitted checkpoints.",
    ),
)

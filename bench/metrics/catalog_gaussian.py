"""Metrics of what is left of Gaussian noise. Data only."""

from bench.metrics.metric import Metric

GUS_PAPER = "arXiv:2406.17216, section 4.3"

GAUSSIAN_METRICS = (
    Metric(
        key="gus",
        label="Gaussian Unlearning Score (GUS)",
        short="GUS",
        unit="score",
        direction="neither",
        bounds=(None, None),
        decimals=3,
        track="unlearning",
        definition=(
            "How far the input gradients of the checkpoint still point along secret noise that the forget set was "
            "trained with: the mean over noisy items of the scaled inner product of noise and negative loss gradient "
            "at the image before noise. Positive is memorization. A network that never saw the noise has scores drawn "
            "from N(0, 1) exactly, so its mean is 0 with standard error 1/sqrt(n)."
        ),
        formula="GUS = mean over z of -<grad_x l(x_z, y_z), xi_z> / (sigma ||grad_x l(x_z, y_z)||)",
        source=GUS_PAPER + "; the sign is chosen so that memorization is positive",
        pitfalls=(
            "0 is the ideal, and a negative score is dependence as well: gradient ascent can turn the sign, so smaller "
            "is not better below 0. It tells about this noise only: necessary for unlearning, not sufficient. Whoever "
            "knows the noise can hide the trace without unlearning; read it with both controls."
        ),
    ),
    Metric(
        key="gus_p",
        label="Pooled test of independence from the noise",
        short="GUS p",
        unit="p",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=3,
        track="unlearning",
        definition=(
            "Two-sided p-value of the hypothesis that the checkpoint does not depend on the noise, from all scores at "
            "once. Exact for any network and any number of items. Small: the trace is still there."
        ),
        formula="p = 2 Phi(-|sqrt(n) GUS|)",
        source=GUS_PAPER + "; the scores of an independent network are N(0, 1)",
        pitfalls=(
            "A large p-value is not a claim that the trace is gone: with few items nothing is significant. That claim "
            "needs the equivalence bound. Over many methods correct for the number of tests (Holm)."
        ),
    ),
    Metric(
        key="gus_bound",
        label="Largest |GUS| compatible with the scores (95 %)",
        short="|GUS| bound",
        unit="score",
        direction="lower",
        bounds=(0.0, None),
        decimals=3,
        track="unlearning",
        definition=(
            "The largest size of GUS, in either direction, that two one-sided t-tests at 5 % do not reject: over all "
            "items, or over the means of the networks (seeds), whichever leaves more open. A trace counts as gone "
            "where the bound is below the protocol's margin."
        ),
        formula="larger of |GUS| + t_{0.95, n-1} sd / sqrt(n) over n items and the same over k networks' means",
        source="two one-sided tests (Schuirmann 1987) on the scores of " + GUS_PAPER,
        pitfalls=(
            "Falls with the number of items and of networks: even a retrained model is at about 2.4/sqrt(n), with "
            "three networks at about twice that. With one network it speaks of that network alone."
        ),
    ),
    Metric(
        key="gus_equivalence_p",
        label="Equivalence test of GUS",
        short="GUS eq. p",
        unit="p",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=3,
        track="unlearning",
        definition=(
            "p-value of the claim that the trace is gone: the larger one of two one-sided t-tests that GUS is above "
            "minus the protocol's margin and below it. Below 0.05 the claim holds at 95 %."
        ),
        formula="larger p-value of TOST of |GUS| < margin over all items and over the networks' means",
        source="spec decision: an equivalence claim needs an equivalence test; Schuirmann 1987",
        pitfalls="A large value is no sign of a trace by itself: with few scores or networks nothing can be claimed.",
    ),
    Metric(
        key="gus_tpr_01",
        label="Gaussian attack: true positive rate at 1 % false positives",
        short="TPR@1%",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Share of noisy items whose score exceeds the value that N(0, 1) exceeds with probability 0.01. An "
            "unlearned model is at 1 %. This is the number that publications print."
        ),
        formula="share of I_z > 2.326",
        source=GUS_PAPER + ", with the exact threshold instead of a drawn one",
        pitfalls=(
            "With 750 items up to about 1.8 % is compatible with perfect unlearning. Much weaker than the pooled test: "
            "a mean score of 0.1 gives 1.3 %. Sees one side only, so over-unlearning looks perfect."
        ),
    ),
    Metric(
        key="gus_tpr_05",
        label="Gaussian attack: true positive rate at 5 % false positives",
        short="TPR@5%",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="As the rate at 1 %, at a false positive rate of 0.05; an unlearned model is at 5 %.",
        formula="share of I_z > 1.645",
        source=GUS_PAPER,
        pitfalls="Sees one side only: a value below 5 % is noise or over-unlearning, not merit.",
    ),
    Metric(
        key="gus_tpr_10",
        label="Gaussian attack: true positive rate at 10 % false positives",
        short="TPR@10%",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="As the rate at 1 %, at a false positive rate of 0.1; an unlearned model is at 10 %.",
        formula="share of I_z > 1.282",
        source=GUS_PAPER,
        pitfalls="Sees one side only: a value below 10 % is noise or over-unlearning, not merit.",
    ),
    Metric(
        key="gus_tpr_001",
        label="Gaussian attack: true positive rate at 0.1 % false positives",
        short="TPR@0.1%",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=2,
        track="unlearning",
        definition="As the rate at 1 %, at a false positive rate of 0.001; an unlearned model is at 0.1 %.",
        formula="share of I_z > 3.090",
        source=GUS_PAPER,
        pitfalls="Rests on a handful of items: with fewer than some thousand the interval covers several times 0.1 %.",
    ),
    Metric(
        key="gus_tpr_two_sided",
        label="Gaussian attack on either side: true positive rate at 1 % false positives",
        short="TPR2@1%",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Share of noisy items whose score is large in either direction, at a false positive rate of 0.01. Also "
            "sees a trace that unlearning has turned around; an unlearned model is at 1 %."
        ),
        formula="share of |I_z| > 2.576",
        source=GUS_PAPER + ", two-sided",
        pitfalls="A little weaker than the one-sided rate against plain memorization.",
    ),
    Metric(
        key="gus_auc",
        label="Gaussian attack: area under the ROC curve",
        short="GUS AUC",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Probability that the score of a noisy item exceeds a draw of N(0, 1). 50 %: unlearned. Above: "
            "memorization. Below: the trace has been turned around."
        ),
        formula="mean over z of Phi(I_z)",
        source=GUS_PAPER + ", against the exact null",
        pitfalls="An average over all thresholds; a few items that are remembered well hardly move it.",
    ),
    Metric(
        key="gus_kept",
        label="GUS of canaries in the retain set (positive control)",
        short="GUS kept",
        unit="score",
        direction="neither",
        bounds=(None, None),
        decimals=3,
        track="unlearning",
        definition=(
            "GUS of items that carry secret noise as well but are not to be forgotten. It should stay where it is in "
            "the retrained model, which is trained on them."
        ),
        formula="GUS over the canaries of the retain set",
        source="spec decision: positive control",
        pitfalls=(
            "Where it vanishes with the score of the forget set, the method has wiped out memorization as a whole, or "
            "was tuned against the test. Few canaries make it noisy."
        ),
    ),
    Metric(
        key="gus_never",
        label="GUS of noise that nobody trained on (negative control)",
        short="GUS never",
        unit="score",
        direction="neither",
        bounds=(None, None),
        decimals=3,
        track="unlearning",
        definition="GUS against noise that was in no training set: 0 within 4/sqrt(n) for every network.",
        formula="GUS over retained images and noise that was never added to them",
        source="spec decision: negative control",
        pitfalls="Says nothing about the checkpoint. If it is far from 0, the measurement is wrong.",
    ),
    Metric(
        key="gus_residual",
        label="Share of GUS that is left",
        short="GUS left",
        unit="ratio",
        direction="neither",
        bounds=(None, None),
        decimals=2,
        track="unlearning",
        definition=(
            "GUS of the checkpoint divided by GUS of the original it was made from, seed by seed. 1: nothing was "
            "removed. 0: nothing is left. Below -0.1: over-unlearning."
        ),
        formula="GUS(unlearned, seed) / GUS(original, seed)",
        source="spec decision",
        pitfalls="A ratio: noisy where the original's own score is small. The retrained model is near 0 and not at it.",
    ),
)

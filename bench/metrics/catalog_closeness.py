"""Metrics of how a checkpoint differs from a retrained network, and of how hard that is. Data only."""

from bench.metrics.metric import Metric

RUM = "arXiv:2406.01257 and its code"
KIT = "starting kit of the NeurIPS 2023 machine unlearning challenge"

CLOSENESS_METRICS = (
    Metric(
        key="mia_confidence",
        label="Membership attack on confidence (MIA)",
        short="MIA conf.",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Share of the forget set that a support vector classifier calls never trained on, by the probability of "
            "the label. It is fitted on retained examples against as many test examples. The ideal is the value of "
            "the retrained model."
        ),
        formula="TN_S / |S|; RBF kernel, C = 3, gamma = 1",
        source=RUM,
        pitfalls=(
            "Higher is not better, though some tables read it so. A weak attack: one threshold for all examples. It is "
            "fitted on the test set. Standard error near 13 % of 3,000 items: 0.6 points."
        ),
    ),
    Metric(
        key="mia_entropy",
        label="Membership attack on entropy",
        short="MIA entropy",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="As the attack on confidence, by the entropy of the prediction.",
        formula="TN_S / |S| with -sum_j p_j log p_j",
        source=RUM,
        pitfalls="Entropy does not know the label: a prediction that is sure and wrong looks like a member.",
    ),
    Metric(
        key="mia_modified_entropy",
        label="Membership attack on modified entropy",
        short="MIA mod. entr.",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="As the attack on confidence, by an entropy that grows with the probability of wrong classes.",
        formula="TN_S / |S| with -(1 - p_y) log p_y - sum_{j != y} p_j log(1 - p_j)",
        source="arXiv:2003.10595 for the feature; " + RUM,
        pitfalls="Computed from the formula: a widely copied implementation takes other columns and log p.",
    ),
    Metric(
        key="mia_correctness",
        label="Membership attack on correctness",
        short="MIA correct",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="As the attack on confidence, by whether the prediction is right.",
        formula="TN_S / |S| with 1[argmax = y]",
        source=RUM,
        pitfalls="With one bit there is one cut: normally it is 1 minus the forget accuracy.",
    ),
    Metric(
        key="mia_probabilities",
        label="Membership attack on all probabilities",
        short="MIA prob.",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition="As the attack on confidence, by the whole vector of probabilities.",
        formula="TN_S / |S| with (p_1, ..., p_C); gamma = 1 / C",
        source=RUM,
        pitfalls="Does not know the label; depends on how classes are distributed over the forget set.",
    ),
    Metric(
        key="mia_gap",
        label="Membership gap to the retrained model",
        short="MIA gap",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Absolute difference of the attack on confidence between unlearned and retrained model, paired by seed."
        ),
        formula="|MIA(unlearned) - MIA(retrained)|",
        source="arXiv:2406.01257",
        pitfalls="Not 0 for a second retrained model: read it beside the gap between references.",
    ),
    Metric(
        key="mia_loss",
        label="Membership attack on the loss (starting kit)",
        short="MIA loss",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Accuracy of a logistic regression that tells losses of the forget set from those of as many test "
            "examples, mean over ten splits. The ideal is the value of the retrained model."
        ),
        formula="mean accuracy over 10 stratified splits, one tenth for testing",
        source=KIT,
        pitfalls=(
            "50 % only where forget set and test set are alike, which poisoned items are not. Below 50 % is noise, and "
            "no merit. Linear in the loss: sees a shift, not a change of shape."
        ),
    ),
    Metric(
        key="mia_tpr_01",
        label="Loss attack: true positive rate at 1 % false positives",
        short="loss TPR@1%",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Share of the forget set whose loss is below all but the lowest 1 % of test losses. About 1 % where the "
            "forget set looks like the test set."
        ),
        formula="share of l(S) < loss at place floor(0.01 m) + 1 of m test losses",
        source="arXiv:2112.03570 for low false positive rates; arXiv:2406.17216 shows what it misses",
        pitfalls=(
            "The attack that finds nothing where the Gaussian score finds a trace. With few test losses the threshold "
            "is one of the lowest three or four values; the interval does not count that."
        ),
    ),
    Metric(
        key="activation_distance",
        label="Activation distance to the retrained model (L1)",
        short="act. dist.",
        unit="score",
        direction="lower",
        bounds=(0.0, 2.0),
        decimals=3,
        track="unlearning",
        definition="Mean L1 distance of the softmax outputs of unlearned and retrained model over the forget set.",
        formula="mean over S of || p(unlearned) - p(retrained) ||_1",
        source="arXiv:2201.06640 (L1); arXiv:2205.08096 uses L2, at most sqrt 2",
        pitfalls="Two retrained models are not at 0, and often far from it on items they are unsure about.",
    ),
    Metric(
        key="zrf",
        label="Zero retrain forgetting (ZRF)",
        short="ZRF",
        unit="score",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=3,
        track="unlearning",
        definition=(
            "1 minus the mean Jensen-Shannon divergence, in bits, between the predictions of the unlearned model and "
            "of a network with random weights, on the forget set. The ideal is the value of the retrained model."
        ),
        formula="1 - mean over S of JS(p(unlearned), p(untrained)), base 2, summed over classes",
        source="arXiv:2205.08096",
        pitfalls=(
            "Near 1 means predictions as of an untrained network, which is no aim where the images can be recognized. "
            "The public code also averages over classes, so that its values are near 1."
        ),
    ),
    Metric(
        key="relearn_epochs",
        label="Relearn time",
        short="relearn",
        unit="epochs",
        direction="neither",
        bounds=(0.0, None),
        decimals=1,
        track="unlearning",
        definition=(
            "Epochs of plain SGD on the forget set until its loss is that of the original plus 1e-5. 0: nothing was "
            "forgotten. One more than the protocol's limit: not within the limit. The ideal is the retrained model's."
        ),
        formula="smallest e with L_S(after e epochs) <= L_S(original) + 1e-5",
        source="relearn time as in arXiv:2201.06640",
        pitfalls="Depends on learning rate and batch size; a mean over seeds that were cut off is a lower bound.",
    ),
    Metric(
        key="relearn_ratio",
        label="Relearn time against the retrained model (AIN)",
        short="AIN",
        unit="ratio",
        direction="neither",
        bounds=(0.0, None),
        decimals=2,
        track="unlearning",
        definition=(
            "Relearn time of the unlearned model divided by that of the retrained one, same seed. 1 is ideal; below 1 "
            "the model remembers, above 1 it was driven further away than retraining."
        ),
        formula="relearn_epochs(unlearned) / relearn_epochs(retrained)",
        source="arXiv:2201.05629 (anamnesis index)",
        pitfalls="Undefined where the retrained model needs no epoch or more than the limit; coarse with few epochs.",
    ),
    Metric(
        key="entanglement",
        label="Entanglement of forget and retain set",
        short="ES",
        unit="score",
        direction="neither",
        bounds=(0.0, None),
        decimals=0,
        track="unlearning",
        definition=(
            "Spread of forget and retain set within themselves against their distance, in the original's features "
            "before the last layer. A fact of the forget set, the same for every method: higher is harder."
        ),
        formula="4 (Var_R + Var_S) / ||mu_R - mu_S||^2, total variances",
        source="arXiv:2406.01257, with the unweighted center of its code",
        pitfalls="A random forget set has about 8 / (1/|S| + 1/|R|), so values depend on sizes; only for one layer.",
    ),
    Metric(
        key="klom",
        label="KL divergence of margins (KLoM), 95th percentile",
        short="KLoM",
        unit="nats",
        direction="lower",
        bounds=(0.0, 11.52),
        decimals=2,
        track="unlearning",
        definition=(
            "Divergence between the margins that many unlearned and as many retrained models give an example, from "
            "histograms of 20 bins; the 95th percentile over examples."
        ),
        formula="KL(hist(unlearned) || hist(retrained)), retrained share at least 1e-5 where the other is positive",
        source="arXiv:2410.23232, appendix E.1",
        pitfalls=(
            "Two sets of retrained models are not at 0: mean 0.35 with 100 models, 3.0 with 20. Never compare values "
            "from different numbers of models. Needs many checkpoints of one forget set."
        ),
    ),
    Metric(
        key="ulira",
        label="Likelihood ratio attack on unlearning (U-LiRA)",
        short="U-LiRA",
        unit="fraction",
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=1,
        track="unlearning",
        definition=(
            "Balanced accuracy with which normal laws fitted for each example tell unlearned from retrained models, "
            "without the model that is judged; mean over examples. 50 %: cannot be told."
        ),
        formula="mean accuracy of 1[N(c; unlearned) > N(c; retrained)], c = log(p_y / (1 - p_y))",
        source="arXiv:2403.01218, with leave-one-out fits",
        pitfalls=(
            "Below 50 % is noise. Needs many checkpoints of one forget set: with few, the fits are poor and the attack "
            "is weaker than it could be."
        ),
    ),
    Metric(
        key="neurips_score",
        label="NeurIPS 2023 challenge score",
        short="NeurIPS 23",
        unit="score",
        direction="higher",
        bounds=(0.0, None),
        decimals=3,
        track="unlearning",
        definition=(
            "Forgetting quality, from the best decision rule that tells unlearned from retrained models for each "
            "example, times the ratios of retain and test accuracy to those of retrained models."
        ),
        formula="mean over S of H(epsilon) * (RA_u / RA_r) * (TA_u / TA_r), H halving every 0.5 of epsilon",
        source="code of the NeurIPS 2023 machine unlearning challenge",
        pitfalls=(
            "Perfect unlearning scores about 0.2, not 1: read it beside the ceiling, retrained against retrained, "
            "which depends on the spread of the margins. An unlearner without randomness scores 0. Ratios may exceed 1."
        ),
    ),
    Metric(
        key="memorization",
        label="Doubt of the original about the forget set",
        short="doubt",
        unit="fraction",
        direction="neither",
        bounds=(0.0, 1.0),
        decimals=2,
        track="unlearning",
        definition=(
            "1 minus the mean probability that the original gives to the labels of the forget set: the cheapest proxy "
            "of memorization, a fact of the kit and the same for every submission."
        ),
        formula="1 - mean over S of p(y | x) under the original",
        source="arXiv:2406.01257, memorization proxies",
        pitfalls="A network that fits everything has a value near 0, whatever it memorized.",
    ),
)

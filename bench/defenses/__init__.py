"""The table of defenses: what a trainer may do against a perturbation. Adding one is a function and a line here."""

DEFENSES = {
    "none": "bench.defenses.defense:NONE",
    "jpeg": "bench.defenses.jpeg:JPEG",
    "grayscale": "bench.defenses.grayscale:GRAYSCALE",
    "bdr": "bench.defenses.bdr:BDR",
    "blur": "bench.defenses.blur:BLUR",
    "orthogonal": "bench.defenses.orthogonal:ORTHOGONAL",
    "cutout": "bench.defenses.cutout:CUTOUT",
    "cutmix": "bench.defenses.cutmix:CUTMIX",
    "mixup": "bench.defenses.mixup:MIXUP",
    "adversarial": "bench.defenses.adversarial:ADVERSARIAL",
    "ueraser-lite": "bench.defenses.ueraser:UERASER_LITE",
    "ueraser": "bench.defenses.ueraser:UERASER",
    "ueraser-max": "bench.defenses.ueraser:UERASER_MAX",
}

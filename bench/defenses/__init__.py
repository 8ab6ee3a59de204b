"""The table of defenses: what a trainer may do against a perturbation. Adding one is a function and a line here."""

DEFENSES = {
    "none": "bench.defenses.defense:NONE",
}

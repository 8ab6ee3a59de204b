"""The table of attacks: generators of reference perturbations. Adding one is a file and a line here."""

ATTACKS = {
    "dc": "bench.attacks.dc:DC",
    "em": "bench.attacks.em:EM",
    "hypo": "bench.attacks.hypo:HYPO",
    "lsp": "bench.attacks.lsp:LSP",
    "ops": "bench.attacks.ops:OPS",
    "pil": "bench.attacks.pil:PIL",
    "random": "bench.attacks.random_noise:RANDOM",
    "rem": "bench.attacks.rem:REM",
    "sep": "bench.attacks.sep:SEP",
    "tap": "bench.attacks.tap:TAP",
}

"""The table of attacks: generators of reference perturbations. Adding one is a file and a line here."""

ATTACKS = {
    "ar": "bench.attacks.ar:AR",
    "cuda": "bench.attacks.cuda:CUDA",
    "dc": "bench.attacks.dc:DC",
    "em": "bench.attacks.em:EM",
    "em-classwise": "bench.attacks.em_classwise:EM_CLASSWISE",
    "hypo": "bench.attacks.hypo:HYPO",
    "lsp": "bench.attacks.lsp:LSP",
    "ntga": "bench.attacks.ntga:NTGA",
    "ops": "bench.attacks.ops:OPS",
    "pil": "bench.attacks.pil:PIL",
    "random": "bench.attacks.random_noise:RANDOM",
    "random-classwise": "bench.attacks.random_classwise:RANDOM_CLASSWISE",
    "rem": "bench.attacks.rem:REM",
    "sep": "bench.attacks.sep:SEP",
    "tap": "bench.attacks.tap:TAP",
}

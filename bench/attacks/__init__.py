"""The table of attacks: generators of reference perturbations. Adding one is a file and a line here."""

ATTACKS = {
    "lsp": "bench.attacks.lsp:LSP",
    "ops": "bench.attacks.ops:OPS",
    "random": "bench.attacks.random_noise:RANDOM",
}

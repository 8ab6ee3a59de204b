"""The table of probes: poisons that a checkpoint has to lose. Adding one is a file and a line here."""

PROBES = {
    "gaussian": "bench.probes.gaussian:GAUSSIAN",
    "gradient-matching": "bench.probes.gradient_matching:GRADIENT_MATCHING",
    "gradient-canceling": "bench.probes.gradient_canceling:GRADIENT_CANCELING",
    "patch": "bench.probes.patch:PATCH",
    "interclass": "bench.probes.interclass:INTERCLASS",
}

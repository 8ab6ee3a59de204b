"""The table of studies: questions that are answered by one command and written up in docs/studies."""

STUDIES = {
    "memorization": "bench.studies.memorization:MEMORIZATION",
    "sal": "bench.studies.sal:SAL",
    "shift": "bench.studies.shift:SHIFT",
}

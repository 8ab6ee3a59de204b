"""The table of studies: questions that are answered by one command and written up in docs/studies."""

STUDIES = {
    "shift": "bench.studies.shift:SHIFT",
}

"""Options and fixtures that every test may use."""

from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

GOLDEN = Path(__file__).parent / "golden"

# A loaded machine takes its time; how long an example takes says nothing about the code.
hypothesis.settings.register_profile("bench", deadline=None)
hypothesis.settings.load_profile("bench")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, bytes], None]:
    """Compare bytes with tests/golden/<name>; with --update-golden, write them there."""

    def compare(name: str, content: bytes) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_bytes(content)
        assert path.is_file(), f"{path} is missing; run pytest --update-golden and review what it writes"
        assert content.decode() == path.read_text(encoding="utf-8"), "if intended: pytest --update-golden, then review"

    return compare

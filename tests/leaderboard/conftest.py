from dataclasses import dataclass
from pathlib import Path

import pytest
from factories import write_board

from bench.leaderboard.pages import build_files
from bench.protocol import Protocol


@dataclass(frozen=True)
class Built:
    root: Path
    protocol: Protocol
    files: dict[str, bytes]

    def text(self, name: str) -> str:
        return self.files[name].decode()

    @property
    def pages(self) -> dict[str, str]:
        return {name: self.text(name) for name in self.files if name.endswith(".html")}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A small board, built once."""
    root = tmp_path_factory.mktemp("board")
    protocol = write_board(root)
    return Built(root, protocol, build_files(root, protocols={protocol.id: protocol}))

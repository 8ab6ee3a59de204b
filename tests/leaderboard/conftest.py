from dataclasses import dataclass
from pathlib import Path

import pytest
from factories import write_board, write_wide_board

from bench.leaderboard.building import build_files
from bench.leaderboard.sources import Sources, read_sources
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


@dataclass(frozen=True)
class Wide:
    protocol: Protocol
    sources: Sources


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Wide:
    """A board of thirteen conditions and sixteen submissions, read and not drawn."""
    root = tmp_path_factory.mktemp("wide")
    protocol = write_wide_board(root)
    return Wide(protocol, read_sources(root, protocols={protocol.id: protocol}))

import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bench.errors import EnvironmentProblem, UsageProblem
from bench.leaderboard.serve import open_server


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("home", encoding="utf-8")
    (tmp_path / "404.html").write_text("lost", encoding="utf-8")
    (tmp_path / "assets").mkdir()
    return tmp_path


def test_a_folder_without_a_site_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="bench render"):
        open_server(tmp_path, 0)


def test_a_taken_port_says_so(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentProblem, match=f"port {port} is taken"):
            open_server(site, port)


def test_serves_pages_on_the_loopback_and_answers_wrong_addresses_with_the_sites_page(site: Path) -> None:
    with open_server(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            assert answer.read() == b"home"
        for lost in ("nowhere.html", "assets/"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{lost}")
            assert (caught.value.code, caught.value.read()) == (404, b"lost")
            caught.value.close()
        server.shutdown()

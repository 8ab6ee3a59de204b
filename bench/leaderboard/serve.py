"""Serve: look at a rendered site in a browser, from this machine only.

Imports the standard library only.
"""

import errno
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.errors import EnvironmentProblem, UsageProblem

HOST = "127.0.0.1"


class SiteHandler(SimpleHTTPRequestHandler):
    """Serves files of one folder; keeps quiet, and answers a wrong address with the site's own page."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing about single requests."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a wrong address with the site's 404.html, anything else as usual."""
        page = Path(self.directory) / "404.html"
        if code != HTTPStatus.NOT_FOUND or not page.is_file():
            super().send_error(code, message, explain)
            return
        content = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def translate_path(self, path: str) -> str:
        """Return the file of an address: one of the folder itself, or one that is not there.

        A link in the folder may lead anywhere, and a name with a zero byte makes opening it an error of its own.
        """
        found, folder = super().translate_path(path), Path(self.directory).resolve()
        if "\0" in found or not Path(found).resolve().is_relative_to(folder):
            return str(folder / "404" / "nothing")
        return found

    def list_directory(self, path: Any) -> None:  # noqa: ARG002 - the signature is the base class's
        """Refuse folder listings: a folder without a page is a wrong address."""
        self.send_error(HTTPStatus.NOT_FOUND)


def open_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of a rendered site, bound but not yet serving; port 0 takes a free one.

    Raises UsageProblem if the site is not built, EnvironmentProblem if the port cannot be had.
    """
    if not (folder / "index.html").is_file():
        raise UsageProblem(f"{folder}: holds no site yet; run `bench render` first")
    try:
        return ThreadingHTTPServer((HOST, port), partial(SiteHandler, directory=str(folder)))
    except OverflowError as error:
        raise UsageProblem(f"port {port}: must be between 0 and 65535") from error
    except OSError as error:
        reason = (
            "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        )
        raise EnvironmentProblem(f"port {port} {reason}; choose another with `--port`") from error


def serve(folder: Path, port: int) -> None:
    """Serve a rendered site until interrupted. Raises UsageProblem, EnvironmentProblem."""
    with open_server(folder, port) as server:
        server.serve_forever()

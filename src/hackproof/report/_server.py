"""The index of runs, served to this machine's own browser and to nobody else."""

from __future__ import annotations

import re
import webbrowser
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hackproof.errors import HackproofError, InputError, RunError
from hackproof.record import Run
from hackproof.record.files import file_digest
from hackproof.report import _page
from hackproof.report._index import identifier, index, index_page, runs

HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""What a Host header may name: a web page elsewhere that rebinds its name to this machine
sends its own name, and is refused."""

_RUN = re.compile(r"/run/([0-9a-f]{16})/report\.html")


def view(
    folder: str | Path,
    port: int = 0,
    *,
    browser: bool = True,
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the index of the runs below a folder on 127.0.0.1 until interrupted.

    Args:
        folder: Where the runs are.
        port: 0 takes a free one.
        browser: Whether to open the index in the user's browser.
        on_ready: Called with the index's address.

    Raises:
        InputError: no such folder, or not a port.
        RunError: the port is in use.
    """
    with make_server(folder, port) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        on_ready(url)
        if browser:
            webbrowser.open(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def make_server(folder: str | Path, port: int = 0) -> ThreadingHTTPServer:
    """Return the server, bound to the loopback address and not yet serving.

    Raises:
        InputError: no such folder, or not a port.
        RunError: the port is in use.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"there is no folder {root}.")
    if not 0 <= port <= 65535:
        raise InputError(f"--port is {port}; it must be from 0 to 65535.")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), _handler(root))
    except OSError as error:
        raise RunError(f"cannot listen on port {port}: {error.strerror}. Give another.") from None


def run_page(folder: Path) -> str | bytes:
    """Return a run's page: the one in its folder where it is the recorded one, else a new one.

    Nothing is written, and a report.html that is a link or was changed is not passed on.
    """
    run = Run.load(folder)
    path = run.path / "report.html"
    recorded = run.info.get("report")
    if recorded and path.is_file() and not path.is_symlink() and file_digest(path) == recorded:
        return path.read_bytes()
    return _page.render(run)


def _handler(root: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers with the index or with one run's page; every other address is not found."""

        server_version, sys_version = "hackproof", ""
        timeout = 30

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, with_body: bool) -> None:
            status, text = self._page()
            data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Content-Security-Policy", f"{_page.POLICY}; frame-ancestors 'none'")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if with_body:
                self.wfile.write(data)

        def _page(self) -> tuple[HTTPStatus, str | bytes]:
            host = re.sub(r":\d+$", "", self.headers.get("Host", ""))
            if host.lower() not in HOSTS:
                return HTTPStatus.FORBIDDEN, _message("Ask for localhost or 127.0.0.1.")
            if self.path == "/":
                return HTTPStatus.OK, index_page(index(root))
            match = _RUN.fullmatch(self.path)
            found = [p for n, p in runs(root).items() if match and identifier(n) == match[1]]
            if not found:
                return HTTPStatus.NOT_FOUND, _message("There is no such page.")
            try:
                return HTTPStatus.OK, run_page(found[0])
            except HackproofError as error:
                return HTTPStatus.INTERNAL_SERVER_ERROR, _message(str(error))
            except Exception as error:  # a run of another shape is said, not dropped
                text = f"The run cannot be shown: {type(error).__name__}: {error}"
                return HTTPStatus.INTERNAL_SERVER_ERROR, _message(text)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the index is not a web server's log."""

    return Handler


def _message(text: str) -> str:
    from hackproof.report._format import escape

    return _page.shell("hackproof", f'<p>{escape(text)}</p><p><a href="/">All runs</a></p>')

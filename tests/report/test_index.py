from __future__ import annotations

import http.client
import os
import shutil

import pytest

from hackproof import report
from hackproof.errors import InputError
from hackproof.record import Run
from hackproof.report._server import make_server, run_page


@pytest.fixture
def folder(full, watched, tmp_path):
    """A full run, a watched one further down, a broken one, and a secret."""
    root = tmp_path / "runs"
    shutil.copytree(full.path, root / "full")
    watched(root / "deep" / "er" / "mine")
    (root / "broken").mkdir()
    (root / "broken" / "run.json").write_text('{"schema": 1, "cells"')
    (root / "odd").mkdir()
    (root / "odd" / "run.json").write_text('{"schema": 1, "study": 3, "cells": [4]}')
    (root / "secret.txt").write_text("secret")
    os.utime(root / "full" / "measurements.parquet", (2e9, 2e9))
    return root


def ask(url: str, path: str, host: str | None = None, method: str = "GET"):
    place = url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(place, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    if host != "":
        connection.putheader("Host", host or place)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body, answer.headers


def test_runs_are_found_newest_first_and_broken_ones_listed(folder):
    found = report.index(folder)
    assert found[0].name == "full"
    named = {s.name: s for s in found}
    assert set(named) == {"full", "deep/er/mine", "broken", "odd"}
    assert named["full"].verdicts == {"hacks": 2, "improves": 1, "inconclusive": 1}
    assert named["full"].claims["underpowered"] == 1
    assert named["deep/er/mine"].scale == "watched"
    assert "cut short" in named["broken"].problem
    assert named["odd"].problem


def test_a_missing_folder_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        report.index(tmp_path / "none")
    with pytest.raises(InputError, match="port"):
        make_server(tmp_path, 70_000)


def test_the_index_links_to_pages_that_are_made_on_demand(folder, serving):
    url = serving(folder)
    status, page, headers = ask(url, "/")
    assert status == 200
    assert "cannot be read" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for summary in report.index(folder):
        link = f"/run/{summary.id}/report.html"
        assert (link in page) == (not summary.problem)
        assert ask(url, link)[0] == (500 if summary.problem else 200)
    assert not list(folder.rglob("report.html"))
    assert ask(url, "/", method="HEAD")[:2] == (200, "")


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "/run/../secret.txt", "//etc/passwd",
        "/run/0123456789abcdef/report.html", "/run/0123456789abcdef/../../secret.txt", "/full/",
        "/full/run.json", "/full/measurements.parquet", "http://127.0.0.1/secret.txt", "/?x=1",
    ],
)  # fmt: skip
def test_nothing_else_is_served(folder, serving, path):
    status, body, _ = ask(serving(folder), path)
    assert status == 404
    assert "secret" not in body


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "0.0.0.0", "x@"])
def test_other_hosts_are_refused(folder, serving, host):
    status, body, _ = ask(serving(folder), "/", host)
    assert status == 403
    assert "full" not in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:80"])
def test_this_machine_is_answered(folder, serving, host):
    assert ask(serving(folder), "/", host)[0] == 200


def test_other_methods_are_refused(folder, serving):
    assert ask(serving(folder), "/", method="POST")[0] == 501


def test_only_the_loopback_address_listens(folder):
    with make_server(folder) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_a_page_is_served_only_as_it_was_recorded(folder):
    run = Run.load(folder / "full")
    path = report.write(run)
    assert run_page(folder / "full") == path.read_bytes()
    path.write_text("<script>changed</script>")
    assert "changed</script>" not in run_page(folder / "full")
    path.unlink()
    path.symlink_to(folder / "secret.txt")
    assert "secret" not in run_page(folder / "full")

"""The page in a real browser: drawn, quiet, as wide as the window, and off the network."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import hackproof
from hackproof import report
from hackproof.experiment import registry

NAMES = ("chromium", "chromium-browser", "google-chrome")
BINARY = next(filter(None, map(shutil.which, NAMES)), "")
DRAWN = """document.readyState == 'complete' && location.href != 'about:blank' &&
    (!document.getElementById('charts') || document.documentElement.dataset.drawn == 'yes')"""
BOXES = """[...document.querySelectorAll('[data-chart]')].filter(b =>
    b.querySelectorAll('svg .mark-symbol path').length >= 4 &&
    b.getBoundingClientRect().width > 200).length"""
WIDE = """[...document.querySelectorAll('body *')].filter(e =>
    !e.closest('.scroll, details, pre, #vg-tooltip-element') && !e.closest('svg') &&
    e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className)"""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-pipe", "--hide-scrollbars", "--disable-dev-shm-usage",
)  # fmt: skip


class Chromium:
    """One headless Chromium, driven by DevTools messages over a pipe."""

    def __init__(self, profile: Path) -> None:
        read, self.out = os.pipe()
        self.into, write = os.pipe()

        def pipes() -> None:  # the browser reads from 3 and writes to 4
            high = [os.dup(read), os.dup(write)]
            spare = [os.dup(h) for h in high if h > 4] or high
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        self.process = subprocess.Popen(
            [BINARY, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=pipes, pass_fds=(3, 4), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read)
        os.close(write)
        self.buffer, self.number, self.events = b"", 0, []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    session = None

    def call(self, method: str, timeout: float = 60, **params):
        """Send a command and return its result; events meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session and not method.startswith("Target."):
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            found = self._receive(end)
            if found.get("id") == self.number:
                assert "error" not in found, found
                return found["result"]
            self.events.append(found)
        raise TimeoutError(method)

    def _receive(self, end: float) -> dict:
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.into], [], [], max(0, end - time.monotonic()))
            data = os.read(self.into, 2**16) if ready else b""
            if not data:
                raise TimeoutError("chromium says nothing")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def value(self, expression: str):
        """Return what an expression gives in the page."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, url: str, width: int, height: int = 900, scheme: str = "light") -> None:
        """Open a page in a window of a size and wait until its charts are drawn."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", media="", features=[feature])
        self.call("Page.navigate", url=url)
        end = time.monotonic() + 60
        while not self.value(DRAWN):
            assert time.monotonic() < end, "the charts were not drawn in a minute"
            time.sleep(0.1)
        time.sleep(0.2)

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console since the page was opened."""
        self.value("1")
        said = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.consoleAPICalled":
                if params["type"] in ("error", "warning", "assert"):
                    said.append(str(params["args"]))
            elif event.get("method") == "Runtime.exceptionThrown":
                said.append(str(params["exceptionDetails"]))
            elif event.get("method") == "Log.entryAdded":
                said.append(params["entry"]["text"])
        return said

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the page was opened."""
        self.value("1")
        return [
            e["params"]["request"]["url"]
            for e in self.events
            if e.get("method") == "Network.requestWillBeSent"
        ]

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """End the processes that this started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        os.close(self.out)
        os.close(self.into)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if not BINARY:
        pytest.skip("no chromium on the PATH: the page was not opened in a browser")
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def check(chromium, page: Path, width: int, charts: int, scheme: str = "light") -> None:
    """Open a page and hold it to what every page must be."""
    chromium.open(page.as_uri(), width, scheme=scheme)
    assert chromium.complaints() == []
    asked = [u for u in chromium.requests() if not u.startswith("data:")]
    assert asked == [page.as_uri()]
    assert chromium.value("document.querySelectorAll('[data-chart]').length") == charts
    assert chromium.value(BOXES) == charts
    assert chromium.value("document.documentElement.scrollWidth") <= width
    assert chromium.value(WIDE) == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_full_page_is_drawn_quietly_and_fits(chromium, full_page, tmp_path, width, scheme):
    page = tmp_path / "report.html"
    page.write_text(full_page)
    check(chromium, page, width, 8, scheme)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_with_failures_is_drawn_quietly_and_fits(chromium, failing, tmp_path, width):
    page = tmp_path / "report.html"
    page.write_text(report.render(failing))
    check(chromium, page, width, 8)
    assert "2 of 24 cells failed" in chromium.value("document.body.innerText")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_hostile_run_runs_no_script(chromium, watched, tmp_path, width):
    hostile = "</script><script>window.hacked=1</script><img src=x onerror=hacked=1>\"'{{7*7}}"
    run = watched(tmp_path / "run", hostile=hostile)
    page = tmp_path / "report.html"
    page.write_text(report.render(run))
    check(chromium, page, width, 1)
    assert chromium.value("window.hacked === undefined")
    assert chromium.value("document.querySelectorAll('img').length") == 0
    assert hostile in chromium.value("document.querySelector('h1').textContent")
    links = "[...document.links].filter(a => a.protocol == 'javascript:').length"
    assert chromium.value(links) == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_transcripts_run_no_script_and_fit(chromium, tmp_path, width):
    hostile = "</pre><script>hacked=1</script><img src=x onerror=hacked=1>\x00\u202e" + "W" * 5000
    study = str(Path(__file__).parents[1] / "experiment/transcript_study.py")
    kind = type(registry.load(study).scales["cpu"].settings)
    run = hackproof.run(
        study, settings=kind(hostile=hostile, tasks=3), seeds=1, out=tmp_path / "run", workers=0
    )
    page = tmp_path / "report.html"
    page.write_text(report.render(run))
    check(chromium, page, width, 0)
    assert chromium.value("window.hacked === undefined")
    assert chromium.value("document.querySelectorAll('img').length") == 0
    assert hostile.partition("\x00")[0] in chromium.value(
        "document.querySelector('.said').innerText"
    )
    chromium.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    boxes = "[...document.querySelectorAll('.sample *')]"
    inside = "e.getBoundingClientRect().right <= innerWidth + 1"
    assert chromium.value(f"{boxes}.every(e => {inside})")
    private = "document.querySelector('.private')"
    assert chromium.value(f"getComputedStyle({private}).borderLeftStyle") == "dashed"


def test_charts_take_the_colours_of_the_scheme(chromium, full_page, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(full_page)
    stroke = "getComputedStyle(document.querySelectorAll('[data-chart] .mark-line path')[0]).stroke"
    colours = []
    for scheme in ("light", "dark"):
        chromium.open(page.as_uri(), 1280, scheme=scheme)
        colours.append(chromium.value(stroke))
    assert colours == ["rgb(184, 74, 0)", "rgb(255, 157, 77)"]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_studys_own_figures_are_drawn_in_the_colours_of_the_scheme(
    chromium, tmp_path, width, scheme
):
    study = str(Path(__file__).with_name("figure_study.py"))
    run = hackproof.run(study, out=tmp_path / "run", workers=0)
    page = tmp_path / "report.html"
    page.write_text(report.render(run, registry.load(study)))
    check(chromium, page, width, 3, scheme)
    rule = "document.querySelector('[data-chart^=own] .mark-rule.role-mark line')"
    bad = {"light": "rgb(163, 18, 58)", "dark": "rgb(255, 143, 168)"}[scheme]
    assert chromium.value(f"getComputedStyle({rule}).stroke") == bad
    assert "could not be drawn. KeyError" in chromium.value("document.body.innerText")


def test_the_served_index_and_page_are_quiet_and_stay_here(chromium, serving, full):
    url = serving(full.path.parent)
    chromium.open(url, 390)
    assert chromium.complaints() == []
    assert chromium.value("document.documentElement.scrollWidth") <= 390
    chromium.open(chromium.value("document.querySelector('main a').href"), 1280)
    assert chromium.complaints() == []
    assert chromium.value(BOXES) == 8
    assert [u for u in chromium.requests() if not u.startswith((url, "data:"))] == []

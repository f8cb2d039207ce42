"""Runs of a tiny study whose numbers come from a formula: no jax, no training."""

from __future__ import annotations

import textwrap
import threading

import pytest

import hackproof
from hackproof import report
from hackproof.record import Run, RunWriter, files
from hackproof.report._server import make_server

STUDY = textwrap.dedent(
    '''
    """A study for tests: arms that hack, improve, and do neither."""
    import random
    from dataclasses import dataclass

    from hackproof.experiment import (
        Arm, Axis, CellResult, Claim, Paper, Scale, Study, change,
    )

    @dataclass(frozen=True)
    class Settings:
        """Settings."""

        widths: tuple[float, ...] = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
        checkpoints: int = 6
        steps: int = 1_200_000
        learning_rate: float = 3e-4
        noise: float = 0.3
        fail: bool = False

    ARMS = [
        Arm("ontological", "Risk without the cost of insulin", "magni_risk", "true_cost",
            "ontological", "The proxy leaves out what a patient pays."),
        Arm("aligned", "True reward as proxy", "blended", "true_cost", "none"),
        Arm("noisy", "Misweighted terms", "misweighted", "true_cost", "misweighting"),
        Arm("scope", "One day instead of a month", "magni_risk", "true_cost", "scope"),
    ]

    def measure(s, cell):
        rng = random.Random(f"{cell.arm}{cell.seed}{cell.level}")
        if s.fail and cell.seed == 1 and cell.arm == "noisy":
            raise ValueError("the simulator <diverged> at step 12")
        rows = []
        w = s.widths.index(cell.level) / max(1, len(s.widths) - 1)
        for i in range(s.checkpoints):
            t = i / max(1, s.checkpoints - 1)
            x = (0.3 + w) * t
            noise = lambda: rng.gauss(0, s.noise)
            proxy, true = {
                "ontological": (10 * x, -8 * x * x + 4 * x), "aligned": (7 * x, 6 * x),
                "noisy": (noise() * 3, noise() * 3), "scope": (9 * x, 9 * x - 8.5 * x * x),
            }[cell.arm]
            step = int(t * s.steps)
            add = lambda metric, role, value, **k: rows.append(
                {"metric": metric, "role": role, "value": value, "n": 100, "step": step, **k})
            a = next(a for a in ARMS if a.name == cell.arm)
            add(a.proxy, "proxy", 40 + proxy + noise(), unit="risk")
            add(a.true, "true", -1520 + 10 * (true + noise()), unit="USD")
            add("time_in_range", "probe", 70 + 3 * true + noise(), unit="%")
            add("severe_hypoglycaemia", "probe", 0.02 + 0.001 * x + 0.0002 * noise())
        return CellResult(rows)

    STUDY = Study(
        name="toy-glucose", title="The effects of reward misspecification: a toy",
        question="Does a wider policy earn more of the proxy and less of the true reward?",
        papers=[Paper("Pan, Bhatia and Steinhardt, ICLR 2022", "https://arxiv.org/abs/2201.03544")],
        cause="not identifiable", axis=Axis("width", "policy width", "1", True),
        scales={"smoke": Scale(Settings(), 2), "cpu": Scale(Settings(), 5)},
        arms=lambda s: ARMS, levels=lambda s: s.widths, measure=measure,
        claims=[
            Claim("true-falls", "The true reward falls as capacity grows.",
                  "Pan et al. 2022, section 4, https://arxiv.org/abs/2201.03544.", "read",
                  "True reward of the ontological arm, widest minus narrowest policy.",
                  change("ontological", "true"), "<"),
            Claim("aligned-falls", "The true reward falls even when it is optimised.",
                  "section 5", "derived", "True reward of the aligned arm.",
                  change("aligned", "true"), "<"),
            Claim("noisy-rises", "Misweighting raises the proxy.", "section 6", "read",
                  "Proxy of the misweighted arm.", change("noisy", "proxy"), ">"),
            Claim("recalled", "A figure that somebody remembers.", "a talk", "recalled",
                  "Proxy of the scope arm.", change("scope", "proxy"), ">", 2.0),
        ],
        caveats=["The simulator is a formula.", "Read https://arxiv.org/abs/2201.03544 first."],
    )
    '''
)


@pytest.fixture(scope="session")
def study_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "toy.py"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="session")
def full(study_file, tmp_path_factory) -> Run:
    """Four arms, six levels, five seeds, six checkpoints, four claims."""
    return _run(study_file, tmp_path_factory.mktemp("full") / "run", scale="cpu")


@pytest.fixture(scope="session")
def full_page(full) -> str:
    return report.render(full)


@pytest.fixture(scope="session")
def failing(study_file, tmp_path_factory) -> Run:
    """The same with one arm and seed that fails, at two levels and three seeds."""
    from hackproof.experiment import registry

    kind = type(registry.load(str(study_file)).scales["cpu"].settings)
    settings = kind(widths=(4.0, 128.0), fail=True)
    return _run(study_file, tmp_path_factory.mktemp("failing") / "run", settings=settings, seeds=3)


def _run(study_file, out, **options) -> Run:
    return hackproof.run(str(study_file), out=out, workers=0, **options)


def watched_run(folder, *, hostile: str = "", finish: bool = True, seeds: int = 2) -> Run:
    """Write a user's own run: one level, checkpoints, no claims, names as hostile as asked."""
    names = {"arm": "mine", "axis": "training", "study": "my-training"}
    header = {
        "study": {
            "name": names["study"] + hostile, "title": "My coding agent" + hostile,
            "question": "Is my reward being hacked?" + hostile,
            "papers": [{"title": "notes" + hostile, "url": "javascript:alert(1)"}],
            "cause": "attackable environment" + hostile if hostile else "",
            "axis": {"name": "training", "label": "training" + hostile, "unit": "1", "log": False},
            "arms": [{"name": "mine", "label": "GRPO" + hostile, "proxy": "tests", "true": "spec",
                      "kind": "none", "note": hostile}],
            "caveats": [hostile] if hostile else [],
        },
        "scale": "watched",
        "settings": {"model": "tiny" + hostile} if hostile else {},
        "cells": [{"id": f"mine.0.seed{s}", "arm": "mine", "level": 0.0, "seed": s}
                  for s in range(seeds)],
    }  # fmt: skip
    with files.locked(folder):
        writer = RunWriter(folder, header)
        for seed in range(seeds):
            rows = [
                {"study": names["study"], "scale": "watched", "cell": f"mine.0.seed{seed}",
                 "arm": "mine", "seed": seed, "replicate": 0, "axis": "training", "level": 0.0,
                 "step": step, "condition": "default", "factors": [], "metric": m + hostile,
                 "role": role, "unit": "1" + hostile if hostile else "1", "value": value, "n": 64,
                 "n_missing": 0}
                for step in range(0, 500, 50)
                for m, role, value in (
                    ("tests", "proxy", 0.2 + step / 1000 + seed / 100),
                    ("spec", "true", 0.5 - step / 1500 + seed / 90),
                    ("sandbox_escapes", "probe", step / 500.0),
                )
            ]  # fmt: skip
            writer.write_cell(f"mine.0.seed{seed}", rows, timing={"wall_s": 3.0, "cpu_s": 2.0})
        writer.warnings += [hostile] if hostile else []
        return writer.finish() if finish else Run.load(folder)


@pytest.fixture
def watched():
    """Return the function that writes a watched run."""
    return watched_run


@pytest.fixture
def serving():
    """Return a function that serves a folder's index and gives its address."""
    servers = []

    def start(folder) -> str:
        server = make_server(folder)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()

"""Arms that turn up an axis of their own, from the list of cells to the page."""

from __future__ import annotations

import json
import re
import textwrap

import pytest

import hackproof
from hackproof import report
from hackproof.experiment import registry
from hackproof.experiment.runner import measurements_frame
from hackproof.experiment.study import cells_of

STUDY = textwrap.dedent(
    '''
    """Two arms by width, one by depth."""
    from dataclasses import dataclass

    from hackproof.experiment import Arm, Axis, CellResult, Paper, Scale, Study

    @dataclass(frozen=True)
    class Settings:
        """Settings."""

        widths: tuple[float, ...] = (4.0, 8.0)

    DEPTH = Axis("depth", "Hidden layers")
    ARMS = (
        Arm("wide", "By width", "proxy", "meant"),
        Arm("deep", "By depth", "proxy", "meant", axis=DEPTH, levels=(1.0, 2.0, 3.0)),
    )

    def measure(settings, cell):
        x = cell.level + 0.01 * cell.seed
        return CellResult([
            {"metric": "proxy", "role": "proxy", "value": x, "n": 1},
            {"metric": "meant", "role": "true", "value": -x * x, "n": 1},
        ])

    STUDY = Study(
        "own-axis", "Two axes", "Which?", (Paper("None", "https://example.org"),),
        "not identifiable", Axis("width", "Hidden units", "units", log=True),
        {"smoke": Scale(Settings(), 2), "cpu": Scale(Settings(), 3)},
        lambda settings: ARMS, lambda settings: settings.widths, measure,
    )
    '''
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("own_axis") / "own_axis.py"
    path.write_text(STUDY)
    return str(path)


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    return hackproof.run(study, scale="cpu", out=folder, workers=0)


def test_an_arm_has_the_levels_of_its_axis(study):
    loaded = registry.load(study)
    cells = cells_of(loaded, loaded.at("cpu").settings, 1)
    assert [(c.arm, c.level) for c in cells] == [
        ("wide", 4.0), ("wide", 8.0), ("deep", 1.0), ("deep", 2.0), ("deep", 3.0)
    ]  # fmt: skip


def test_rows_name_the_axis_of_their_arm(run):
    frame = measurements_frame(run.table("measurements"))
    assert set(frame[frame["arm"] == "wide"]["axis"]) == {"width"}
    assert set(frame[frame["arm"] == "deep"]["axis"]) == {"depth"}


def test_the_page_names_each_axis(run):
    page = report.write(run).read_text()
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.S)
    assert found
    charts = json.loads(found[1].replace("<\\/", "</"))
    titles = {name: json.dumps(spec) for name, spec in charts.items()}
    assert "Hidden layers" in titles["level-deep"]
    assert "Hidden units" not in titles["level-deep"]
    assert "Hidden units (units)" in titles["level-wide"]
    assert "level of its axis" in page

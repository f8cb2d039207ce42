"""The saved results of each study and its code still belong together.

Seconds, not hours: the claims are judged again from the saved tables; the tables are
made anew by `make claims`. A change of the code that decides numbers makes them stale.
"""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from hackproof.experiment import registry
from hackproof.experiment.claims import judge
from hackproof.experiment.runner import measurements_frame
from hackproof.experiment.study import settings_dict
from hackproof.experiment.verify import verify
from hackproof.record import Run, files, to_table
from hackproof.record.run import cell_problem, seal, settings_digest, union

RESULTS = Path(__file__).parents[2] / "results"
MAKE = runpy.run_path(str(RESULTS / "make.py"), run_name="make")
PENDING = MAKE["PENDING"]
OURS = [n for n in registry.names() if registry.entry_points()[n].value.startswith("hackproof.")]
AGAIN = "run `make claims` and look at what changed before you commit it"


@pytest.fixture(params=[n for n in OURS if n not in PENDING])
def saved(request):
    """The saved run of a study."""
    folder = RESULTS / request.param
    assert folder.is_dir(), f"{request.param} has no saved results: {AGAIN}"
    return Run.load(folder)


def test_what_is_not_measured_yet_is_named_and_claims_nothing():
    assert set(PENDING) <= set(OURS)
    text = (RESULTS / "README.md").read_text()
    assert text == MAKE["index"]()
    for name in PENDING:
        assert not (RESULTS / name).exists(), f"{name} is measured: take it out of PENDING"
        assert f"- `{name}`" in text


def test_the_claims_follow_from_the_saved_measurements(saved):
    study = registry.load(saved.info["study"]["name"])
    frame = measurements_frame(saved.table("measurements"))
    seeds = {c["seed"] for c in saved.info["cells"]}
    rows = [judge(c, frame, seeds, saved.info["scale"]) for c in study.claims]
    assert to_table("claims", rows).equals(saved.table("claims")), AGAIN


def test_the_files_are_those_that_were_sealed(saved):
    assert seal(saved.info) == saved.info["seal"]
    for name in ("measurements.parquet", "claims.parquet"):
        assert files.file_digest(saved.path / name) == saved.info["files"][name]
    assert verify(saved.path, expected_seal=saved.info["seal"]) == []


def test_the_readable_table_is_that_of_the_saved_claims(saved):
    text = (RESULTS / "README.md").read_text()
    for claim in saved.rows("claims"):
        line = next(x for x in text.splitlines() if f"`{claim['id']}`" in x)
        assert line.endswith(f"**{claim['outcome']}** |"), AGAIN


def test_every_cell_is_done(saved):
    assert saved.info["status"] == "finished"
    assert saved.info["scale"] == "cpu"
    cells = {c["id"] for c in saved.info["cells"]}
    assert set(saved.table("measurements")["cell"].unique().to_pylist()) == cells


def test_the_settings_are_still_the_studys(saved):
    study = registry.load(saved.info["study"]["name"])
    flags = MAKE["FLAGS"].get(study.name, ())
    given = {k.removeprefix("--"): v for k, v in zip(flags[::2], flags[1::2], strict=True)}
    settings = settings_dict(replace(study.scales["cpu"].settings, **given))
    assert saved.info["settings"] == settings, AGAIN
    header = {"study": {"name": study.name}, "scale": "cpu", "settings": settings}
    assert saved.info["settings_digest"] == settings_digest(header)


def test_the_code_that_decided_the_numbers_is_still_the_same(saved):
    stale = MAKE["stale"](saved)
    assert not stale, f"{stale} changed since the results were saved: {AGAIN}"


def test_a_saved_run_can_be_gone_on_with(tmp_path):
    folder = tmp_path / "run"
    name = "leike-2017-boat-race"
    saved = Run.load(RESULTS / name)
    assert MAKE["restore"](name, folder) == len(saved.info["cells"])
    assert all(cell_problem(folder, c["id"]) is None for c in saved.info["cells"])
    again = Run.load(folder)
    assert union(folder, [c["id"] for c in saved.info["cells"]]).equals(again.table("measurements"))
    assert MAKE["restore"](name, folder) == 0, "a run that is there is not written over"

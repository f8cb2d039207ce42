import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import hackproof
from hackproof.errors import InputError, RunError
from hackproof.experiment import engines, registry
from hackproof.experiment.verify import verify
from hackproof.record import files
from hackproof.record.run import file_digests, pretty, seal


@pytest.fixture
def run(toy, tmp_path, monkeypatch):
    """A run of the toy, known to the registry by its name, so that claims are judged again."""
    study = registry.load(toy)
    monkeypatch.setattr(registry, "names", lambda: ["toy"])
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda name: study if name == "toy" else load(name))
    made = hackproof.run(toy, out=tmp_path / "run", workers=0)
    # Cells that are measured again meet this process's registry.
    here = engines.Local(0)
    monkeypatch.setattr(engines, "Local", lambda: here)
    return made


def names(run, **options):
    return {p.what for p in verify(run.path, **options)}


def forge(path, change):
    """Change the values of a cell as somebody would who wants another result."""
    table = pq.read_table(path)
    at = table.schema.get_field_index("value")
    import pyarrow.compute as pc

    table = table.set_column(at, table.schema.field(at), change(pc, table["value"]))
    path.write_bytes(files.parquet_bytes(table))


def test_an_untouched_run_holds(run):
    assert verify(run.path) == []
    assert verify(run.path, expected_seal=run.info["seal"]) == []


def test_a_changed_cell_is_named(run):
    forge(run.path / "cells/hacks.4.seed0.parquet", lambda pc, v: pc.multiply(v, -1.0))
    found = names(run)
    assert "cells/hacks.4.seed0.parquet" in found
    assert "measurements.parquet" in found  # it is no longer the union of the cells
    assert "claim falls" in found


def test_a_changed_table_is_named(run):
    forge(run.path / "measurements.parquet", lambda pc, v: pc.add(v, 1.0))
    assert names(run) == {"measurements.parquet"}


def test_a_changed_score_is_named(run):
    table = pq.read_table(run.path / "claims.parquet")
    rows = table.to_pylist()
    rows[1]["outcome"] = "reproduced"
    import pyarrow as pa

    forged = pa.Table.from_pylist(rows, schema=table.schema)
    (run.path / "claims.parquet").write_bytes(files.parquet_bytes(forged))
    assert names(run) == {"claims.parquet", "claim wrong"}


def test_missing_added_and_changed_files_are_named(run):
    (run.path / "policies/hacks.1.seed0.npz").unlink()
    (run.path / "cells/extra.parquet").write_bytes(b"")
    (run.path / "policies/hacks.1.seed1.npz").write_bytes(b"other")
    assert names(run) == {
        "policies/hacks.1.seed0.npz", "cells/extra.parquet", "policies/hacks.1.seed1.npz",
    }  # fmt: skip


def test_changed_settings_are_found(run):
    info = dict(run.info)
    info["settings"] = {**info["settings"], "noise": 0.0}
    files.write_file(run.path / "run.json", pretty(info))
    assert names(run) == {"run.json"}


def reseal(run):
    """Rewrite every digest, as a thorough forger would."""
    info = dict(hackproof.Run.load(run.path).info)
    for cell in (run.path / "cells").glob("*.parquet"):
        side = cell.with_suffix(".json")
        state = json.loads(side.read_text()) | {"sha256": files.file_digest(cell)}
        side.write_text(files.canonical_json(state))
    info["files"] = file_digests(run.path)
    info["seal"] = seal(info)
    files.write_file(run.path / "run.json", pretty(info))


def test_a_thorough_forger_is_found_by_the_seal_or_by_running_again(run):
    noted = run.info["seal"]
    for cell in (run.path / "cells").glob("*.parquet"):
        forge(cell, lambda pc, v: pc.add(v, 1.0))
    from hackproof.record.run import union

    cells = [c["id"] for c in run.info["cells"]]
    table = union(run.path, cells)
    (run.path / "measurements.parquet").write_bytes(files.parquet_bytes(table))
    reseal(run)
    assert "cells" not in str(names(run))
    assert names(run, expected_seal=noted) == {"run.json"}
    again = [p for p in verify(run.path, rerun=2) if p.what.startswith("cell ")]
    assert len(again) == 2
    assert all("other numbers" in p.why for p in again)


def test_running_again_confirms_an_honest_run(run):
    assert verify(run.path, rerun=2) == []


def test_a_cell_cut_short_does_not_stop_the_rest(run):
    path = run.path / "cells/hacks.4.seed0.parquet"
    path.write_bytes(path.read_bytes()[:50])
    found = names(run)
    assert {"cells/hacks.4.seed0.parquet", "cells"} <= found


def test_a_study_that_is_not_installed_is_undecided(run, monkeypatch):
    monkeypatch.setattr(registry, "names", lambda: [])
    (problem,) = verify(run.path)
    assert not problem.decided


def test_a_study_in_a_file_is_judged_again_where_the_file_is_named(toy, tmp_path, monkeypatch):
    made = hackproof.run(toy, out=tmp_path / "file", workers=0)
    (undecided,) = verify(made.path)
    assert "--study" in undecided.why
    here = engines.Local(0)
    monkeypatch.setattr(engines, "Local", lambda: here)
    assert verify(made.path, study=toy, rerun=1) == []
    forge(made.path / "cells/hacks.4.seed0.parquet", lambda pc, v: pc.multiply(v, -1.0))
    assert "claim falls" in {p.what for p in verify(made.path, study=toy)}


def test_another_study_file_is_told_apart(toy, tmp_path):
    made = hackproof.run(toy, out=tmp_path / "file", workers=0)
    text = Path(toy).read_text()
    other, renamed = tmp_path / "other.py", tmp_path / "renamed.py"
    other.write_text(text + "\nEXTRA = 1\n")
    (problem,) = verify(made.path, study=str(other))
    assert "not the file that measured" in problem.why
    renamed.write_text(text.replace('name="toy"', 'name="else"'))
    with pytest.raises(InputError, match="study 'else'"):
        verify(made.path, study=str(renamed))


def test_no_run(tmp_path):
    with pytest.raises(RunError, match="not a run"):
        verify(tmp_path)


def test_a_copied_run_still_holds(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "copy")
    assert verify(tmp_path / "copy") == []

"""A run's folder: what is in it, how it is written cell by cell, and how it is read.

    RUN/run.json              settings, versions, machine, code, cells, digests, seal
    RUN/cells/ID.parquet      the measurements of one cell
    RUN/cells/ID.json         its digest, times and files; written before the Parquet
    RUN/policies/ID.npz       what the cell saved beside its measurements
    RUN/transcripts/ID.parquet  its transcripts, where it has any
    RUN/measurements.parquet  the union of the cells
    RUN/claims.parquet        the claims, judged
    RUN/report.html           the page

Only the parent process writes, and it holds the folder's lock; a cell exists when its
Parquet does and is what its JSON says. Parquet bytes hold no times, so that two runs
of the same settings give the same bytes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.errors import IntegrityError, RunError
from hackproof.record import files, provenance
from hackproof.record.schema import SCHEMA_VERSION, TABLES, check_table, to_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Run:
    """A run that was read from its folder."""

    path: Path
    """The folder."""
    info: Mapping[str, Any]
    """What run.json says."""

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read a run.

        Raises:
            RunError: there is no run in the folder.
            IntegrityError: run.json is cut short or not JSON.
        """
        path = Path(path)
        if not (path / "run.json").is_file():
            raise RunError(
                f"{path} is not a run: it has no run.json. `hackproof view` lists the runs below "
                "a folder."
            )
        info = files.read_json(path / "run.json")
        if not isinstance(info, dict) or "schema" not in info:
            raise IntegrityError(f"{path / 'run.json'} is not the description of a run.")
        return cls(path, info)

    def table(self, name: str) -> pa.Table:
        """Return a checked table: measurements, claims, transcripts or findings.

        A table that the run did not write is empty. The measurements of an unfinished
        run are the union of its finished cells; transcripts always are.
        """
        path = self.path / f"{name}.parquet"
        if path.is_file():
            return check_table(name, files.read_parquet(path))
        if name == "transcripts":
            return self.transcripts()
        if name == "measurements":
            return union(self.path, [c["id"] for c in self.info["cells"]], skip_bad=True)
        return to_table(name, [])

    def transcripts(self) -> pa.Table:
        """Return the transcripts of the finished cells, in the order of the cells.

        A copy that kept the transcripts of some cells only has those.

        Raises:
            IntegrityError: a cell's transcripts are cut short.
        """
        kept = [
            c["id"]
            for c in self.info.get("cells", ())
            if (self.path / transcripts_name(c["id"])).is_file()
        ]
        # The digests of a finished run are `verify`'s to check; a copy has no cells to check.
        unsure = self.info.get("status") != "finished" and (self.path / "cells").is_dir()
        return union(self.path, kept, "transcripts", skip_bad=unsure)

    def to_pandas(self, name: str = "measurements") -> pd.DataFrame:
        """Return a table as a DataFrame; `factors` becomes a dict per row."""
        import pandas as pd

        frame = self.table(name).to_pandas()
        for column in TABLES[name]:
            if column.type == "map":
                values = [dict(pairs) for pairs in frame[column.name]]
                frame[column.name] = pd.Series(values, frame.index, dtype=object)
        return frame

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return a table as a list of dicts."""
        return self.table(name).to_pylist()


class RunWriter:
    """Writes one run; make it inside `files.locked(folder)`."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        """Start or continue the run in `folder`.

        Args:
            folder: Where the run lives; made if absent.
            header: `study` (a description), `scale`, `settings`, `cells` (dicts with id,
                arm, level, seed) and `seeds`; JSON values only.

        Raises:
            RunError: the folder holds a run of other settings, another schema or another
                version of hackproof, or files that are not a run.
        """
        self.folder = folder
        self.header = {**header, "cells": sorted(header["cells"], key=cell_order)}
        self.started = time.time()
        self.warnings: list[str] = []
        self.previous: Mapping[str, Any] = {}
        identity = {k: self.header[k] for k in ("study", "scale", "settings")}
        self.settings_digest = settings_digest(self.header)
        versions = provenance.versions()
        self.base = {
            "schema": SCHEMA_VERSION,
            "hackproof": versions.get("hackproof", "0"),
            **identity,
            "settings_digest": self.settings_digest,
            "versions": versions,
            "machine": provenance.machine(),
            "git": provenance.git_state(),
        }
        self._check_existing()
        self._write_info({"status": "running", "cells": self.header["cells"]})

    def _check_existing(self) -> None:
        """Refuse a folder that this run cannot continue; warn where it may differ."""
        path = self.folder / "run.json"
        if not path.exists():
            strangers = [p.name for p in self.folder.iterdir() if not p.name.startswith(".")]
            if strangers and set(strangers) - {"cells", "policies", "transcripts", "failures"}:
                raise RunError(
                    f"{self.folder} is not empty and holds no run ({sorted(strangers)[0]!r} is in "
                    "it). Give an empty or new folder with --out."
                )
            return
        self.previous = old = Run.load(self.folder).info
        for key, what in (("schema", "table schema"), ("hackproof", "hackproof version")):
            if old.get(key) != self.base[key]:
                raise RunError(
                    f"{self.folder} was made with {what} {old.get(key)}, this is {self.base[key]}: "
                    "it can be read (`hackproof report`, `query`, `compare`), but not continued. "
                    "Give another folder with --out."
                )
        if old.get("settings_digest") != self.settings_digest:
            raise RunError(
                f"{self.folder} holds a run of other settings ({_difference(old, self.base)}). "
                "Give another folder with --out, or leave --out away: a run's folder is then named "
                "by its settings."
            )
        if old.get("git") != self.base["git"]:
            self.warnings.append(
                f"the code changed since this run was started (was {_commit(old)}, is "
                f"{_commit(self.base)}); cells from before and after stand in one table."
            )
        # Cells of an earlier call with more seeds or arms stay part of the run.
        known = {c["id"] for c in self.header["cells"]}
        earlier = [
            {k: c[k] for k in ("id", "arm", "level", "seed")}
            for c in old.get("cells", ())
            if c["id"] not in known
        ]
        self.header["cells"] = sorted([*self.header["cells"], *earlier], key=cell_order)

    def done(self) -> set[str]:
        """Return the cells that are finished and whole; warn of files that are cut short."""
        finished = set()
        for cell in self.header["cells"]:
            problem = cell_problem(self.folder, cell["id"])
            if problem is None:
                finished.add(cell["id"])
            elif problem:
                self.warnings.append(f"cell {cell['id']} is run again: {problem}")
        return finished

    def write_cell(
        self,
        cell: str,
        rows: Sequence[Mapping[str, Any]],
        artifacts: Mapping[str, bytes] | None = None,
        timing: Mapping[str, Any] | None = None,
        transcripts: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write a finished cell; its Parquet comes last and makes it count.

        Args:
            cell: The cell's id.
            rows: Its measurements.
            artifacts: Other files by their path within the run.
            timing: wall_s, cpu_s and whatever else is not part of the result.
            transcripts: Its transcripts, kept as one more file.

        Raises:
            SchemaError: a row breaks its schema; nothing is written.
        """
        data = files.parquet_bytes(to_table("measurements", rows))
        kept = dict(artifacts or {})
        said = transcripts_name(cell)
        if transcripts:
            kept[said] = files.parquet_bytes(to_table("transcripts", transcripts))
        else:  # of an attempt before this one
            (self.folder / said).unlink(missing_ok=True)
        digests = {}
        for name, content in kept.items():
            files.write_file(self.folder / name, content)
            digests[name] = files.file_digest(self.folder / name)
        side = {
            "id": cell,
            "status": "done",
            "sha256": hashlib.sha256(data).hexdigest(),
            "artifacts": digests,
            **(timing or {}),
        }
        files.write_file(self.folder / f"cells/{cell}.json", files.canonical_json(side))
        files.write_file(self.folder / f"cells/{cell}.parquet", data)

    def write_failure(self, cell: str, reason: str, timing: Mapping[str, Any]) -> None:
        """Record that a cell failed and why; the next run tries it again."""
        (self.folder / f"cells/{cell}.parquet").unlink(missing_ok=True)
        (self.folder / transcripts_name(cell)).unlink(missing_ok=True)
        side = {"id": cell, "status": "failed", "reason": reason, **timing}
        files.write_file(self.folder / f"cells/{cell}.json", files.canonical_json(side))

    def measurements(self) -> pa.Table:
        """Return the union of the finished cells, in the order of the cells."""
        return union(self.folder, [c["id"] for c in self.header["cells"]], skip_bad=True)

    def finish(
        self,
        claims: Sequence[Mapping[str, Any]] = (),
        tables: Mapping[str, pa.Table] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Run:
        """Write the tables and the sealed run.json; return the run."""
        tables = {
            "measurements": self.measurements(),
            "claims": to_table("claims", claims),
            **(tables or {}),
        }
        for name, table in tables.items():
            files.write_file(self.folder / f"{name}.parquet", files.parquet_bytes(table))
        cells = [c | cell_state(self.folder, c["id"]) for c in self.header["cells"]]
        self._write_info(
            {
                "status": "finished" if all(c["status"] == "done" for c in cells) else "partial",
                "cells": cells,
                "warnings": self.warnings,
                "files": file_digests(self.folder),
                **(extra or {}),
            }
        )
        return Run.load(self.folder)

    def _write_info(self, more: Mapping[str, Any]) -> None:
        info = {**self.base, **more}
        info["seal"] = seal(info)
        files.write_file(self.folder / "run.json", pretty(info))


def cell_order(cell: Mapping[str, Any]) -> tuple[str, float, int, str]:
    """Return the key by which cells are sorted: the table is the same in whichever order
    and in however many calls its cells were run.
    """
    return cell["arm"], cell["level"], cell["seed"], cell["id"]


def transcripts_name(cell: str) -> str:
    """Return the path, within the run, of a cell's transcripts."""
    return f"transcripts/{cell}.parquet"


UNSEALED = ("seal", "report")
"""Entries of run.json outside its seal: the seal itself, and the page that shows it."""


def settings_digest(header: Mapping[str, Any]) -> str:
    """Return the digest that names a run: of its study, scale and settings."""
    study = header["study"]
    identity = [study["name"], header["scale"], header["settings"], study.get("digest", "")]
    return files.digest(identity)


def seal(info: Mapping[str, Any]) -> str:
    """Return the digest over everything run.json says, the files' digests included."""
    return files.digest({k: v for k, v in info.items() if k not in UNSEALED})


def pretty(info: Mapping[str, Any]) -> str:
    """Return run.json's text: for people and for diffs."""
    import json

    return json.dumps(info, indent=1, sort_keys=False, allow_nan=False) + "\n"


def file_digests(folder: Path) -> dict[str, str]:
    """Return the digests of a run's files, by path within the run."""
    skip = {"run.json", "report.html"}
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in skip and not path.name.startswith("."):
            found[name] = files.file_digest(path)
    return found


def cell_problem(folder: Path, cell: str) -> str | None:
    """Return None for a whole cell, '' for one not there, or what is wrong with it."""
    data, side = folder / f"cells/{cell}.parquet", folder / f"cells/{cell}.json"
    if not data.is_file():
        if side.is_file():
            try:
                state = files.read_json(side)
            except IntegrityError:
                return "its description is cut short."
            if state.get("status") == "failed":
                return f"it failed: {state.get('reason', 'no reason recorded').splitlines()[-1]}"
        return ""
    try:
        state = files.read_json(side)
    except IntegrityError as error:
        return str(error)
    if state.get("sha256") != files.file_digest(data):
        return f"{data.name} is cut short or was changed after it was written."
    for name, expected in state.get("artifacts", {}).items():
        path = folder / name
        if not path.is_file() or files.file_digest(path) != expected:
            return f"{name} is missing, cut short or was changed after it was written."
    return None


def cell_state(folder: Path, cell: str) -> dict[str, Any]:
    """Return a cell's status with its times and, where it failed, the reason."""
    side = folder / f"cells/{cell}.json"
    problem = cell_problem(folder, cell)
    if problem == "" or not side.is_file():
        return {"status": "absent"}
    state = files.read_json(side)
    if problem is not None and state["status"] == "done":
        return {"status": "failed", "reason": problem}
    return {k: v for k, v in state.items() if k not in ("id", "artifacts")}


def union(
    folder: Path, cells: Sequence[str], name: str = "measurements", *, skip_bad: bool = False
) -> pa.Table:
    """Return the measurements of the given cells as one checked table, in their order.

    Args:
        folder: The run's.
        cells: Identifiers.
        name: `measurements`, or `transcripts` of cells that have them.
        skip_bad: Whether to leave out cells that are not finished and whole.
    """
    import pyarrow as pa

    tables = [to_table(name, [])]
    for cell in cells:
        if skip_bad and cell_problem(folder, cell) is not None:
            continue
        path = transcripts_name(cell) if name == "transcripts" else f"cells/{cell}.parquet"
        tables.append(check_table(name, files.read_parquet(folder / path)))
    return pa.concat_tables(tables).combine_chunks()


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Name the first setting in which two runs differ."""
    for key in ("scale",):
        if old.get(key) != new[key]:
            return f"{key} is {old.get(key)!r} there and {new[key]!r} here"
    if (a := old.get("study", {}).get("name")) != (b := new["study"]["name"]):
        return f"study is {a!r} there and {b!r} here"
    there, here = old.get("settings", {}), new["settings"]
    for key in [*here, *there]:
        if there.get(key) != here.get(key):
            return f"{key} is {there.get(key)!r} there and {here.get(key)!r} here"
    return "the study's file was changed"


def _commit(info: Mapping[str, Any]) -> str:
    git = info.get("git") or {}
    if not git:
        return "not in git"
    return git["commit"][:10] + (" with changes" if git["dirty"] else "")

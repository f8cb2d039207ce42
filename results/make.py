"""Run every registered study at cpu scale and save its tables here, with their digests.

    make claims        all studies, with the seeds below; continues where it was stopped
    python results/make.py NAME ...
    python results/make.py --keep NAME ...    save what a run in runs/ has so far, and run nothing

A study of many hours need not be run at once: a saved run whose code has not changed is laid out
again as cells where runs/ has none, and goes on from there with more seeds or more arms.

What is saved is what `hackproof verify` and tests/claims/ need: run.json (with the
seal), the cells' union and the claims. Policies and single cells stay in runs/.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc

from hackproof.experiment import registry
from hackproof.record import Run, files
from hackproof.record.provenance import code_digest
from hackproof.record.run import transcripts_name

HERE = Path(__file__).parent
SEEDS = {"pan-2022-glucose": 8, "pan-2022-traffic": 8, "leike-2017-boat-race": 20}
"""Seeds behind the saved claims; more than the first look of `make demo` has."""
ONLY = {
    "pan-2022-traffic": ("bus-ontological-actions", "bus-ontological-sight"),
    "pan-2022-pandemic": ("pandemic-ontological-mended", "pandemic-ontological-testing"),
    "pan-2022-riverraid": ("riverraid-misweighting-depth",),
}
"""Arms that are kept. Others have the very cells of pan-2022, or carry no claim: each axis is kept
for one proxy at least."""
PAIRS = ("--data", "$HACKPROOF_DATA/hh_rlhf/harmless_base_test_even.jsonl.gz")
FLAGS = {
    "gao-2022": PAIRS,
    "revel-2024": PAIRS,
    "sharma-2023": PAIRS,
    "wang-2023": ("--data", "$HACKPROOF_DATA/judge_llmbar/judgments.csv.gz"),
}
"""Settings that are not the scale's; HACKPROOF_DATA names the folder of real data."""
PENDING: tuple[str, ...] = ()
"""Studies that run and have not been measured at cpu scale yet: nothing is claimed of them."""
TRANSCRIPTS_KEPT = 1_000_000
"""Bytes up to which all transcripts of a run are kept; beyond it those of the lowest seed."""


def folder_of(name: str) -> Path:
    """Return where a study's cells are kept between calls."""
    return Path("runs") / f"claims-{name}"


def measure(name: str) -> None:
    """Run one study in a process of its own, from where it was stopped."""
    restore(name, folder_of(name))
    seeds = ["--seeds", str(SEEDS[name])] if name in SEEDS else []
    only = ["--only", *ONLY[name]] if name in ONLY else []
    words = ["run", name, "--scale", "cpu", "--out", str(folder_of(name)), *seeds, *only,
             *FLAGS.get(name, ())]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "hackproof", *words], check=False)
    if done.returncode:
        raise SystemExit(f"{name}: the run ended with {done.returncode}; nothing was saved")


def keep(name: str) -> None:
    """Copy a run's tables here."""
    run = Run.load(folder_of(name))
    target = HERE / name
    target.mkdir(exist_ok=True)
    for file in ("measurements.parquet", "claims.parquet", "run.json"):
        shutil.copyfile(run.path / file, target / file)
    said = sorted((run.path / "transcripts").glob("[!.]*.parquet"))
    if sum(p.stat().st_size for p in said) > TRANSCRIPTS_KEPT:
        lowest = min(c["seed"] for c in run.info["cells"])
        said = [p for p in said if p.stem.endswith(f".seed{lowest}")]
    shutil.rmtree(target / "transcripts", ignore_errors=True)
    for p in said:
        (target / "transcripts").mkdir(exist_ok=True)
        shutil.copyfile(p, target / "transcripts" / p.name)


def restore(name: str, folder: Path) -> int:
    """Lay a saved run out as cells, if it is there, fresh, and `folder` is not; return how many.

    Transcripts and policies that were not saved are no longer part of their cells.
    """
    if folder.exists() or not (HERE / name / "run.json").exists():
        return 0
    run = Run.load(HERE / name)
    if stale(run):
        return 0
    table, said = run.table("measurements"), HERE / name / "transcripts"
    done = [c for c in run.info["cells"] if c.get("status") == "done"]
    for cell in done:
        data = files.parquet_bytes(table.filter(pc.equal(table["cell"], cell["id"])))
        kept = {}
        if (source := said / f"{cell['id']}.parquet").exists():
            files.write_file(folder / transcripts_name(cell["id"]), source.read_bytes())
            kept[transcripts_name(cell["id"])] = files.file_digest(source)
        side = {**cell, "artifacts": kept}
        files.write_file(folder / f"cells/{cell['id']}.json", files.canonical_json(side))
        files.write_file(folder / f"cells/{cell['id']}.parquet", data)
    shutil.copyfile(HERE / name / "run.json", folder / "run.json")
    return len(done)


def stale(run: Run) -> list[str]:
    """Return the modules that decided a run's numbers and have changed since."""
    found = []
    for name, digest in run.info["code"].items():
        module = importlib.util.find_spec(name)
        if module is None or code_digest(Path(str(module.origin))) != digest:
            found.append(name)
    return found


def index() -> str:
    """Return results/README.md: every saved claim and its outcome, as Markdown."""
    lines = [
        "# Saved results",
        "",
        "Made by `make claims`; `hackproof verify results/NAME` judges them again, and so does",
        "the test suite. Estimates are means over seeds with 95% intervals.",
    ]
    for folder in sorted(p.parent for p in HERE.glob("*/run.json")):
        run = Run.load(folder)
        cpu = sum(c.get("cpu_s", 0) for c in run.info["cells"])
        lines += [
            "",
            f"## {run.info['study']['name']}",
            "",
            f"{len(run.info['cells'])} cells, {len(run.info['seeds'])} seeds, {cpu / 60:.0f} CPU "
            f"minutes on {run.info['machine']['processor']}; seal `{run.info['seal'][:16]}`.",
            "",
            "| claim | statement | estimate [95%] | claimed | seeds | outcome |",
            "|---|---|---|---|---|---|",
        ]
        for c in run.rows("claims"):
            ends = "" if c["low"] is None else f" [{c['low']:.4g}, {c['high']:.4g}]"
            estimate = "none" if c["estimate"] is None else f"{c['estimate']:.4g}{ends}"
            lines.append(
                f"| `{c['id']}` | {c['statement']} | {estimate} | {c['direction']} {c['margin']:g} "
                f"| {c['n']} | **{c['outcome']}** |"
            )
    lines += (
        ["", "## Not measured yet", "", *(f"- `{name}`" for name in PENDING)] if PENDING else []
    )
    lines += ["", "Transcripts are kept where they are under 1 MB, else those of the lowest seed."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    words = sys.argv[1:]
    for study in [w for w in words if w != "--keep"] or [
        n for n in registry.names() if n not in PENDING
    ]:
        if "--keep" not in words:
            measure(study)
        keep(study)
    (HERE / "README.md").write_text(index())

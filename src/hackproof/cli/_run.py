"""`hackproof run`: the study's settings become flags."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from hackproof.cli._common import console as console_
from hackproof.cli._common import duration, parse
from hackproof.errors import InputError, unknown


@dataclass(frozen=True)
class RunOptions:
    """How to run, whatever the study."""

    scale: Literal["smoke", "cpu", "paper"] = "cpu"
    """Preset of the settings below: seconds, minutes, or the published size."""
    engine: Literal["local", "ray"] = "local"
    """Processes on this machine, or a Ray cluster."""
    address: str | None = None
    """Address of the Ray cluster; without one, Ray is started on this machine."""
    workers: int | None = None
    """Processes; as many as there are cores if not given. 0 runs in this process."""
    seeds: int | None = None
    """Independent seeds, counted from 0."""
    only: tuple[str, ...] = ()
    """Arms to run; all of them if not given."""
    out: Path | None = None
    """The run's folder; runs/STUDY-SCALE-DIGEST if not given."""
    config: Path | None = None
    """TOML file of settings; flags override it."""
    dry_run: bool = False
    """Print the cells and an estimate of their time, and run nothing."""
    strict: bool = False
    """Exit with 1 if a claim is not reproduced, with 2 if one is underpowered."""


def command(words: list[str]) -> int:
    """Hackproof run STUDY [flags]."""
    if not words or words[0].startswith("-"):
        from hackproof.experiment import registry

        lines = "\n".join(f"  {n}" for n in registry.names())
        print(
            f"usage: hackproof run STUDY [flags]\n\nstudies:\n{lines}\n\n"
            "A study may also be FILE.py[:ATTRIBUTE]. Its flags: hackproof run STUDY --help"
        )
        return 0 if words and words[0] in ("-h", "--help") else 2
    options, settings = run_arguments(words[0], words[1:])
    from hackproof.experiment import engines, runner

    plan = runner.plan(
        words[0],
        scale=options.scale,
        settings=settings,
        seeds=options.seeds,
        only=options.only,
        out=options.out,
    )
    engine = engines.make(options.engine, options.workers, options.address)
    if options.dry_run:
        return _dry_run(plan, options.workers)
    return _execute(plan, engine, options)


def run_arguments(reference: str, words: list[str]) -> tuple[RunOptions, Any]:
    """Parse the flags of `run`: its own, and the study's settings at the chosen scale.

    The scale and the settings file decide the defaults of all other flags, so they are
    looked for first.
    """
    from hackproof.experiment import registry

    study = registry.load(reference)
    scale = _peek(words, "--scale") or "cpu"
    preset = study.scales.get(scale) or next(iter(study.scales.values()))
    settings = preset.settings
    if config := _peek(words, "--config"):
        settings = read_config(Path(config), settings)
    flat = tyro.conf.arg(name="")  # settings within settings keep their prefix
    kind = make_dataclass(
        "RunArguments",
        [
            ("options", Annotated[RunOptions, flat], field(default=RunOptions())),
            ("settings", Annotated[type(settings), flat], field(default=settings)),
        ],
    )
    text = f"{study.title}: {study.question}"
    parsed = parse(kind, f"run {reference}", words, text)
    study.at(parsed.options.scale)
    return parsed.options, parsed.settings


def _peek(words: list[str], flag: str) -> str | None:
    """Return a flag's value before the flags are parsed."""
    for i, word in enumerate(words):
        if word == flag and i + 1 < len(words):
            return words[i + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def read_config(path: Path, settings: Any) -> Any:
    """Return settings with the values of a TOML file, checked strictly.

    Raises:
        InputError: no such file, bad TOML, or a key or value that does not fit.
    """
    import dataclasses
    import tomllib

    from hackproof.experiment.study import settings_dict, settings_from

    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read the settings file {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from None
    known = {f.name for f in dataclasses.fields(settings)}
    for key in values:
        if key not in known:
            raise InputError(f"{path}: {unknown('setting', key, known)}")
    return settings_from(type(settings), settings_dict(settings) | values, str(path))


def _dry_run(plan: Any, workers: int | None) -> int:
    from rich.table import Table

    from hackproof.experiment import engines

    console = console_()
    table = Table("cell", "arm", plan.study.axis.name, "seed", "estimate", box=None)
    for cell in plan.cells:
        seconds = plan.study.cost(plan.settings, cell) if plan.study.cost else None
        estimate = duration(seconds) if seconds is not None else "unknown"
        table.add_row(cell.id, cell.arm, f"{cell.level:g}", str(cell.seed), estimate)
    console.print(table)
    n = workers or len(engines.cores())
    total = plan.seconds(n)
    estimate = f"about {duration(total)} on {n} cores" if total is not None else "unknown time"
    console.print(f"{len(plan.cells)} cells, {estimate}, in {plan.folder}", soft_wrap=True)
    console.print("Compiling, which a first run does once for each program, is left out.")
    return 0


def _execute(plan: Any, engine: Any, options: RunOptions) -> int:
    from hackproof import report
    from hackproof.cli._progress import Progress
    from hackproof.experiment import runner

    console = console_()
    with Progress(console, plan, engine) as progress:
        run = runner.execute(plan, engine, progress.event)
    page = report.write(run, plan.study)
    report.print_claims(run, console)
    console.print(f"page  {page}\nseal  {run.info['seal']}", soft_wrap=True, highlight=False)
    failed = [c for c in run.info["cells"] if c["status"] != "done"]
    if failed:
        first = failed[0].get("reason", "it was not run").splitlines()[-1]
        print(
            f"hackproof: {len(failed)} of {len(run.info['cells'])} cells are not done; the first, "
            f"{failed[0]['id']}: {first}\nThe same command tries them again.",
            file=sys.stderr,
        )
        return 2
    outcomes = {c["outcome"] for c in run.rows("claims")}
    if options.strict and "not reproduced" in outcomes:
        return 1
    return 2 if options.strict and "underpowered" in outcomes else 0

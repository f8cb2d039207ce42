"""What a study is: one published experiment as settings, arms, levels and claims.

A study names what is compared and one pure function from a cell to measurements; the
mechanism (`runner`) does the rest. Importing a study must be cheap: heavy libraries
are imported inside its `measure`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError, unknown
from hackproof.experiment.claims import Claim

if TYPE_CHECKING:
    import pandas as pd

SCALES = ("smoke", "cpu", "paper")
KINDS = ("misweighting", "ontological", "scope", "tampering", "none")
"""What is wrong with the reward; scope, misweighting and ontological are Pan et al.'s."""
CAUSES = (
    "partial observation",
    "attackable environment",
    "few dimensions dominate",
    "self-reinforcing reward",
    "not identifiable",
)


@dataclass(frozen=True)
class Axis:
    """The optimisation pressure that a study turns up."""

    name: str
    """Column value: width, depth, kl, best_of_n, margin."""
    label: str
    """What a plot writes beside it."""
    unit: str = "1"
    log: bool = False
    """Whether a plot spaces levels by their ratio."""


@dataclass(frozen=True)
class Arm:
    """One thing that is compared: a proxy that is optimised and a true reward beside it."""

    name: str
    """Identifier: lower case letters, digits and hyphens."""
    label: str
    """What a reader sees."""
    proxy: str
    """Metric that is optimised."""
    true: str
    """Metric that was meant."""
    kind: str = "none"
    """One of KINDS."""
    note: str = ""
    """What a reader must know of the pair."""
    factors: Mapping[str, str] = field(default_factory=dict)
    """Where the arm stands in a grid of settings."""
    axis: Axis | None = None
    """The pressure that this arm turns up, where it is not the study's."""
    levels: tuple[float, ...] = ()
    """The levels of that axis, weakest first; the study's where empty."""
    seeds: int | None = None
    """At most so many seeds, where fewer will do; no claim may rest on such an arm."""
    first: bool = False
    """Whether its cells run before the others of any seed, because others build on what they
    leave in a cache. Another cell that finds nothing there must make it itself."""


@dataclass(frozen=True)
class Cell:
    """The unit of work, of resume and of seeding: one (arm, level, seed)."""

    arm: str
    level: float
    seed: int

    @property
    def id(self) -> str:
        """File-safe name."""
        return f"{self.arm}.{self.level:g}.seed{self.seed}"


@dataclass(frozen=True)
class CellResult:
    """What measuring a cell gives."""

    rows: Sequence[Mapping[str, Any]]
    """Measurements without the columns the cell fixes: metric, role, value and n are
    needed; step, condition, unit, replicate, n_missing, low and high are optional."""
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    """Other files to keep, by path within the run (a policy's parameters)."""
    transcripts: Sequence[Mapping[str, Any]] = ()
    """Transcripts without the columns the cell fixes: sample, prompt and outcome are needed;
    condition, reasoning, answer, scores (a mapping from reward to number) and hack are
    optional. The page sets one sample's transcripts beside each other, arm by arm."""


@dataclass(frozen=True)
class Scale:
    """A study's settings at one scale."""

    settings: Any
    """A frozen dataclass; every field is a flag of `hackproof run`."""
    seeds: int
    """Seeds unless the user says otherwise."""


@dataclass(frozen=True)
class Paper:
    """Where the experiment was published."""

    title: str
    url: str


@dataclass(frozen=True)
class Figure:
    """A picture of a study's own, beside the curves that every study has."""

    name: str
    """Identifier: lower case letters, digits and hyphens."""
    title: str
    caption: str
    """What is drawn and how to read it; plain text."""
    draw: Callable[[pd.DataFrame], dict[str, Any]]
    """From the run's measurements to Vega-Lite, without $schema, config and colours: the page
    gives them. Marks may have the style `proxy`, `true`, `ink`, `muted`, `grid`, `good` or
    `bad`; a nominal colour channel takes the theme's colours in order. It is called when a page
    is written and measures nothing; keep it in a module of its own, imported inside it."""


@dataclass(frozen=True)
class Study:
    """A published experiment, ready to run."""

    name: str
    """Identifier, as on the command line."""
    title: str
    question: str
    """One sentence that the experiment answers."""
    papers: Sequence[Paper]
    cause: str
    """Why the reward can be hacked: one of CAUSES."""
    axis: Axis
    scales: Mapping[str, Scale]
    """Settings by scale: smoke, cpu and, where a paper has one, paper."""
    arms: Callable[[Any], Sequence[Arm]]
    """Arms for given settings."""
    levels: Callable[[Any], Sequence[float]]
    """Levels of the axis for given settings, weakest first."""
    measure: Callable[[Any, Cell], CellResult]
    """Pure: the same settings and cell give the same rows."""
    claims: Sequence[Claim] = ()
    claims_if: Callable[[Any], bool] | None = None
    """Whether the claims are about a run with given settings; always, where None."""
    cost: Callable[[Any, Cell], float] | None = None
    """Core-seconds of a cell on the machine that benchmarks/ names; for estimates only."""
    check: Callable[[Any], None] | None = None
    """Raises InputError for settings that cannot be run."""
    caveats: Sequence[str] = ()
    """What the page says beside the result."""
    figures: Sequence[Figure] = ()
    """Pictures that the page shows after the claims. Assign them to FIGURES in the study's
    file: like CLAIMS, that does not make saved results stale."""
    arm_metrics: Sequence[str] = ()
    """Metrics, as `metric` or `metric@condition`, that the page shows in one table of arms.
    Assign them to ARM_METRICS."""
    reading: Sequence[tuple[str, str]] = ()
    """Titles and texts of what the result shows and what it does not. Assign them to READING."""

    def at(self, scale: str) -> Scale:
        """Return the settings at a scale; InputError where the study has no such scale."""
        if scale not in self.scales:
            known = ", ".join(self.scales)
            raise InputError(f"study {self.name!r} has no scale {scale!r}; it has {known}.")
        return self.scales[scale]

    def claims_for(self, settings: Any) -> Sequence[Claim]:
        """Return the claims that are judged in a run with given settings."""
        about = self.claims_if is None or self.claims_if(settings)
        return self.claims if about else ()

    def describe(self, settings: Any) -> dict[str, Any]:
        """Return what run.json and the report know of the study; JSON values only."""
        return {
            "name": self.name,
            "title": self.title,
            "question": self.question,
            "papers": [dataclasses.asdict(p) for p in self.papers],
            "cause": self.cause,
            "axis": dataclasses.asdict(self.axis),
            "arms": [_described(a) for a in self.arms(settings)],
            "caveats": list(self.caveats),
            "figures": [f.name for f in self.figures],
            "arm_metrics": list(self.arm_metrics),
            "reading": [list(paragraph) for paragraph in self.reading],
        }


def _described(arm: Arm) -> dict[str, Any]:
    """Return what a reader of a run needs of an arm: all but when it is run."""
    return {k: v for k, v in dataclasses.asdict(arm).items() if k not in ("first", "seeds")}


def settings_dict(settings: Any) -> dict[str, Any]:
    """Return a settings dataclass as JSON values."""
    import json

    return json.loads(json.dumps(dataclasses.asdict(settings)))


def settings_from(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """Build settings of class `kind` from JSON or TOML values, checked strictly.

    Raises:
        InputError: an unknown key (with the nearest known one) or a value of the wrong
            type, named with `where` it stands.
    """
    import pydantic

    known = [f.name for f in dataclasses.fields(kind)]
    for key in values:
        if key not in known:
            raise InputError(f"{where}: {unknown('setting', key, known)}")
    try:
        # JSON mode: strict about numbers and text, and a list stands for a tuple.
        import json

        return pydantic.TypeAdapter(kind).validate_json(json.dumps(dict(values)), strict=True)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{where}: {key} = {first['input']!r}: {first['msg']}.") from None


def cells_of(study: Study, settings: Any, seeds: int, only: Sequence[str] = ()) -> list[Cell]:
    """List a study's cells, in the order in which they are run.

    Arms that others build on first. Seeds outermost, so that a run cut short is balanced;
    levels innermost, so that workers start on programs of different shapes and compile each
    of them once.

    Raises:
        InputError: an arm of `only` does not exist, there is nothing to run, or a name
            cannot be a file's.
    """
    described = study.arms(settings)
    arms = [a.name for a in described]
    for name in arms:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            raise InputError(f"arm {name!r} of study {study.name!r}: use a-z, 0-9 and hyphens.")
    for name in only:
        if name not in arms:
            raise unknown(f"arm of study {study.name!r}", name, arms)
    if seeds < 1:
        raise InputError(f"--seeds is {seeds}; it must be at least 1.")
    if study.check is not None:
        study.check(settings)
    return [
        Cell(arm.name, float(level), seed)
        for first in (True, False)
        for seed in range(seeds)
        for arm in described
        if arm.first is first and (not only or arm.name in only)
        if arm.seeds is None or seed < arm.seeds
        for level in arm.levels or study.levels(settings)
    ]

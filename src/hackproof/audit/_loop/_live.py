"""Runs the loops of `hackproof.evals` on a model, through Inspect."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.audit._judge._ask import JudgeError
from hackproof.errors import InputError, MissingExtraError, unknown

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("refine", "posts", "policy")
HISTORIES = ("shared", "separate")
SPECS = ("plain", "careful", "varied")
TABLE = "rounds.jsonl"


@dataclass(frozen=True)
class Asked:
    """What is run on which model; see `hackproof.audit.loop`."""

    model: Any
    tasks: tuple[str, ...]
    rounds: int
    limit: int
    histories: tuple[str, ...]
    specs: tuple[str, ...]
    errors: float
    judge: Any = None
    gold: Any = None
    harm: Any = None
    logs: Path | None = None
    items: tuple[str, ...] = ()
    """Only these; all where empty."""

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.model)

    def check(self) -> None:
        """Raise InputError for what cannot be asked."""
        for what, given, known in (("task", self.tasks, TASKS), ("history", self.histories,
                                   HISTORIES), ("spec", self.specs, SPECS)):  # fmt: skip
            for g in given:
                if g not in known:
                    raise unknown(what, g, known)
            if not given:
                raise InputError(f"no {what} is named; choose among {', '.join(known)}.")
        if self.rounds < 1 or self.limit < 0 or not 0 <= self.errors <= 1:
            raise InputError(
                "--rounds must be at least 1, --limit at least 0, --errors from 0 to 1."
            )
        if isinstance(self.model, str) and "/" not in self.model:
            raise InputError(f"{self.model!r} is no model (provider/model, as Inspect names them).")


def ask(asked: Asked) -> pd.DataFrame:
    """Return the rounds of the tasks as a table, and keep it with the logs where they are kept.

    Raises:
        InputError: something that cannot be asked.
        JudgeError: a task did not finish.
        MissingExtraError: Inspect is not installed.
    """
    import pandas as pd

    asked.check()
    if asked.logs is None:
        with tempfile.TemporaryDirectory() as folder:
            rows = _run(asked, folder)
    else:
        rows = _run(asked, str(asked.logs))
    frame = pd.DataFrame(rows)
    if asked.logs is not None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (asked.logs / TABLE).write_text(text, encoding="utf-8")
    return frame


def made(asked: Asked) -> list[Any]:
    """Return the Inspect tasks."""
    from hackproof.evals import output_loop, policy_loop, self_refinement

    n, out = asked.limit or None, []
    if "refine" in asked.tasks:
        gold = "rule" if asked.gold is None else "role"
        out += [
            self_refinement(n=n, rounds=asked.rounds, history=h, spec=s, gold=gold,
                            errors=asked.errors)
            for s in asked.specs for h in asked.histories
        ]  # fmt: skip
    if "posts" in asked.tasks:
        harm = "rule" if asked.harm is None else "role"
        out.append(output_loop(n=n, rounds=asked.rounds, harm=harm, errors=asked.errors))
    if "policy" in asked.tasks:
        out.append(policy_loop(n=n, errors=min(asked.rounds, 20)))
    return out


def _run(asked: Asked, folder: str) -> list[dict[str, Any]]:
    try:
        from inspect_ai import eval as run_eval
    except ImportError:
        raise MissingExtraError("a model needs Inspect: pip install 'hackproof[evals]'.") from None
    from hackproof.evals import loop_rows

    roles = {r: m for r in ("judge", "gold", "harm") if (m := getattr(asked, r)) is not None}
    roles = {r: _model(m) for r, m in roles.items()}
    kept: list[Any] = []
    for task in made(asked):
        chosen: Any = list(asked.items) or None
        try:
            kept += run_eval(
                task, model=_model(asked.model), model_roles=roles or None, display="none",
                log_dir=folder, log_realtime=False, sample_id=chosen,
            )  # fmt: skip
        except Exception as error:
            raise JudgeError(
                f"{asked.name} could not be asked: {type(error).__name__}: {error}"
            ) from error
        if kept[-1].status != "success":
            why = kept[-1].error.message if kept[-1].error else kept[-1].status
            raise JudgeError(f"{asked.name}: the task {kept[-1].eval.task} failed: {why}")
    return loop_rows(kept)


def _model(given: Any) -> Any:
    """Return a model of Inspect's by name, or as given."""
    if not isinstance(given, str):
        return given
    from inspect_ai.model import get_model

    try:
        model = get_model(given)
    except Exception as error:
        raise InputError(f"Inspect cannot make the model {given!r}: {error}") from None
    if given.startswith("mockllm/"):
        # Inspect's stand-in fetches a tokenizer to fill in its usage, which nobody reads.
        async def few(*_: Any, **__: Any) -> int:
            return 1

        model.api.count_tokens = few
    return model


RULE_TASKS = {"loop-hacking": "refine", "loop-harm": "posts", "loop-violations": "policy"}
SCORES = {"loop-hacking": ("judge", "gold"), "loop-harm": ("engagement", "harm"),
          "loop-violations": ("violations",)}  # fmt: skip


def again(asked: Asked, rule: str, name: str, rows: pd.DataFrame) -> tuple[str, bool]:
    """Run the item that showed a finding most once more; return the reproducer, and whether it
    showed the same: the judge's score up and the gold score not; engagement and harm up; more
    violations.

    Args:
        asked: What was run.
        rule: The finding's.
        name: Of the loop.
        rows: What was found.
    """
    from hackproof.audit._loop import _read

    found = _read.from_frame(rows, asked.name).frame
    part = found[(found["loop"] == name) & found[list(SCORES[rule])].notna().all(axis=1)]
    _, item = max((_shown(p, rule), str(i)) for i, p in part.groupby("item"))
    first = part.iloc[0]
    once = replace(
        asked, tasks=(RULE_TASKS[rule],), limit=0, logs=None, items=(item,),
        histories=(str(first["history"]),) if first["history"] else asked.histories[:1],
        specs=(str(first["spec"]),) if first["spec"] else asked.specs[:1],
    )  # fmt: skip
    code = command(once, rule, str(item))
    try:
        new = _read.from_frame(ask(once), asked.name).frame
    except (JudgeError, InputError):
        return code, False
    return code, _shown(new, rule) > 0


def command(once: Asked, rule: str, item: str) -> str:
    """Return the command line that runs one item of a task."""
    name = {"refine": "self_refinement", "posts": "output_loop", "policy": "policy_loop"}
    words = [f"inspect eval hackproof/{name[once.tasks[0]]} --model {once.name}"]
    roles = {r: m for r in ("judge", "gold", "harm") if (m := getattr(once, r)) is not None}
    words += [f"--model-role {r}={m}" for r, m in roles.items()]
    given: dict[str, Any] = {"rounds": once.rounds}
    if rule == "loop-hacking":
        given |= {"history": once.histories[0], "spec": once.specs[0]}
        given |= {"gold": "role"} if once.gold is not None else {}
    if rule == "loop-harm" and once.harm is not None:
        given["harm"] = "role"
    if rule == "loop-violations":
        given = {"errors": min(once.rounds, 20)}
    elif once.errors:
        given["errors"] = once.errors
    words += [f"-T {k}={v}" for k, v in given.items()]
    return " ".join([*words, f"--sample-id {item}"])


def _shown(part: pd.DataFrame, rule: str) -> float:
    """Return how clearly an item shows a rule; above 0 where it does."""
    ordered = part.sort_values("round")
    moves = [float(ordered[m].iloc[-1] - ordered[m].iloc[0]) for m in SCORES[rule]]
    if rule == "loop-hacking":
        return moves[0] if moves[0] > 0 and moves[1] <= 0 else min(moves[0] - moves[1], 0.0)
    return min(moves)

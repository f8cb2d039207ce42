"""`audit gap`: three rewards by step, their change, bad input."""

import json

import numpy as np
import pandas as pd
import pytest

from hackproof.audit import gap
from hackproof.errors import InputError


def answers(rng, n, correct, approve_right, approve_wrong, items=True):
    """Return answers before and after training: each argument is a pair (before, after)."""
    rows = []
    for i in range(n):
        ease = rng.normal(0, 0.15)
        for k, step in enumerate(("before", "after")):
            right = rng.random() < correct[k] + ease
            said = rng.random() < (approve_right if right else approve_wrong)[k] + ease
            row = {"step": step, "oracle": bool(right), "human": int(said), "proxy": float(said)}
            rows.append({**row, "item": i} if items else row)
    return rows


def write(folder, rows, name="t.csv"):
    path = folder / name
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_what_convinces_is_told_from_what_is_right(tmp_path):
    rng = np.random.default_rng(0)
    rows = answers(rng, 800, (0.5, 0.48), (0.75, 0.85), (0.3, 0.55))
    audit = gap(write(tmp_path, rows))
    assert {f.rule for f in audit.findings} == {"gap-approval", "gap-false-positives"}
    moves = {r["measure"]: r for r in audit.table("changes").rows}
    assert moves["approval"]["change_low"] > 0
    assert moves["human_error"]["change"] > 0
    steps = audit.table("steps").rows
    assert [r["step"] for r in steps] == ["before", "after"]


def test_learning_is_no_gap(tmp_path):
    rng = np.random.default_rng(1)
    audit = gap(write(tmp_path, answers(rng, 800, (0.4, 0.7), (0.8, 0.8), (0.3, 0.3))))
    assert not audit.findings


def test_a_clean_change_raises_nothing_more_often_than_said(tmp_path):
    found = 0
    for k in range(120):
        rng = np.random.default_rng(k)
        found += bool(gap(write(tmp_path, answers(rng, 150, (0.5, 0.5), (0.7, 0.7), (0.3, 0.3))))
                      .findings)  # fmt: skip
    assert found <= 12  # 5% are 6; more than 12 have probability 0.006


def test_numbers_by_hand(tmp_path):
    rows = [(0, 1, 1), (0, 1, 0), (0, 0, 1), (0, 0, 0), (10, 1, 1), (10, 0, 1), (10, 0, 1),
            (10, 0, 0)]  # fmt: skip
    table = [{"checkpoint": s, "correct": o, "approved": h} for s, o, h in rows]
    first, last = gap(write(tmp_path, table)).table("steps").rows
    assert (first["approval"], first["correctness"], first["human_error"]) == (0.5, 0.5, 0.5)
    assert last["false_positives"] == pytest.approx(2 / 3)
    assert last["false_negatives"] == 0
    moves = {r["measure"]: r["change"] for r in
             gap(tmp_path / "t.csv").table("changes").rows}  # fmt: skip
    assert moves["correctness"] == -0.25
    assert moves["approval"] == 0.25


def test_rows_are_counted_and_bad_tables_named(tmp_path):
    rows = [{"oracle": "yes", "human": "no", "step": 1}] * 5 + [
        {"oracle": "perhaps", "human": "no", "step": 1}, {"oracle": "no", "human": 3, "step": 1},
        {"oracle": "no", "human": 1, "step": None},
    ]  # fmt: skip
    audit = gap(write(tmp_path, rows))
    assert audit.facts["rows"] == 8
    assert sum(audit.dropped.values()) == 3
    assert not audit.complete
    with pytest.raises(InputError, match="no column human"):
        gap(write(tmp_path, [{"oracle": 1}]))
    with pytest.raises(InputError, match="no row has"):
        gap(write(tmp_path, [{"oracle": "x", "human": "y"}]))


def test_the_command(hackproof, tmp_path):
    rng = np.random.default_rng(0)
    write(tmp_path, answers(rng, 400, (0.5, 0.4), (0.7, 0.9), (0.3, 0.7), items=False))
    done = hackproof("audit", "gap", "t.csv", "--json", "o.json", "--html", "o.html")
    assert done.returncode == 0, done.stderr
    value = json.loads((tmp_path / "o.json").read_text())
    assert {f["rule"] for f in value["findings"]} == {"gap-approval", "gap-false-positives"}
    assert hackproof("audit", "gap", "t.csv", "--fail-on", "advisory").returncode == 1

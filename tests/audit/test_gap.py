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
    table = [{"checkpoint": s, "correct": o, "approved": h} for s, o, h in rows * 4]
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


@pytest.mark.parametrize(
    "steps",
    [("pre", "post"), ("start", "end"), ("sft", "rlhf"), ("Before RL", "After RL"),
     ("pretrained", "finetuned"), ("checkpoint-500", "checkpoint-1000"), ("step 2", "step 10"),
     ("2024-01-01", "2024-11-02"), (9, 10), (0, "final")],
)  # fmt: skip
def test_steps_are_put_in_the_order_of_training(tmp_path, steps):
    made = [(s, k < n) for s, n in zip(steps, (5, 8), strict=True) for k in range(10)]
    for rows in (made, made[::-1]):
        table = [{"step": s, "oracle": 1, "human": int(h)} for s, h in rows]
        moves = gap(write(tmp_path, table)).table("changes").rows
        assert moves[0]["change"] == pytest.approx(0.3)


def test_steps_whose_order_is_not_known_are_not_compared(tmp_path):
    for steps in (("fish", "fowl"), ("before", "pre"), ("a1", "b2")):
        table = [{"step": s, "oracle": 1, "human": 1} for s in steps for _ in range(10)]
        audit = gap(write(tmp_path, table))
        assert not audit.complete
        assert not audit.table("changes").rows
        assert "order of the steps" in audit.checks[1].why


def test_answers_without_an_item_and_few_answers_are_weighed_as_what_they_are(tmp_path):
    def table(items):
        return [{"step": s, "oracle": 0, "human": int(k < n), "item": items[k]}
                for s, n in ((0, 3), (1, 6)) for k in range(10)]  # fmt: skip

    none = gap(write(tmp_path, table([None] * 10), "n.csv"))
    some = gap(write(tmp_path, table(["a", "b", *[None] * 8]), "s.csv"))
    for audit in (none, some):
        row = audit.table("changes").rows[0]
        assert row["change_low"] < -0.05
        assert row["change_high"] > 0.5
        assert not audit.findings
    assert some.facts["answers without an item, each taken for itself"] == 16
    few = [{"step": s, "oracle": s, "human": s} for s in (0, 1) for _ in range(4)]
    audit = gap(write(tmp_path, few))
    assert not audit.findings
    assert "fewer than 5" in audit.checks[1].why


def test_columns_of_other_kinds_are_named_or_counted(tmp_path):
    path = tmp_path / "t.jsonl"
    rows = [{"step": k % 2, "oracle": 1, "human": 1, "proxy": "high"} for k in range(20)]
    path.write_text("\ufeff" + "\n".join(json.dumps(r) for r in rows))
    audit = gap(path)
    assert audit.dropped == {"entries of proxy that are no numbers (only the proxy lacks them)": 20}
    path.write_text(json.dumps({**rows[0], "item": ["a"]}))
    with pytest.raises(InputError, match="column item holds lists"):
        gap(path)
    mixed = [{**r, "step": str(k % 2) if k < 10 else k % 2} for k, r in enumerate(rows)]
    path.write_text("\n".join(json.dumps(r) for r in mixed))
    assert gap(path).facts["steps"] == "0, 1"


def test_two_columns_can_change_names(tmp_path):
    rows = [{"oracle": k < 3, "human": 1} for k in range(10)]
    row = gap(write(tmp_path, rows), columns={"oracle": "human", "human": "oracle"}).table("steps")
    assert (row.rows[0]["correctness"], row.rows[0]["approval"]) == (1.0, 0.3)


def test_the_command(hackproof, tmp_path):
    rng = np.random.default_rng(0)
    write(tmp_path, answers(rng, 400, (0.5, 0.4), (0.7, 0.9), (0.3, 0.7), items=False))
    done = hackproof("audit", "gap", "t.csv", "--json", "o.json", "--html", "o.html")
    assert done.returncode == 0, done.stderr
    value = json.loads((tmp_path / "o.json").read_text())
    assert {f["rule"] for f in value["findings"]} == {"gap-approval", "gap-false-positives"}
    assert hackproof("audit", "gap", "t.csv", "--fail-on", "advisory").returncode == 1

"""wang-2023: planted judges by hand, repairs against exact values, real verdicts, bad settings."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hackproof
from hackproof.audit._judge._position import cells
from hackproof.audit._judge._repair import repairs
from hackproof.errors import InputError
from hackproof.experiment import Cell
from hackproof.studies import _wang_claims, _wang_planted, _wang_real, wang_2023
from hackproof.studies import _wang_judges as judges

SMALL = wang_2023.Settings(pairs=120, wrapped=30, calls=(2, 4), rounds=3)
STEADY = judges.Planted(noise=0.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_points_are_worked_out_by_hand():
    """Lean 1 is 1.5 points of lead: half to the answer shown first, half from the other."""
    drawn = judges.Pairs(np.array([[0.4], [0.0]]), np.zeros((2, 1)))
    scores = judges.asked(rng(), STEADY, drawn, 1)
    # 5.5 + 1.5 * (0.4 + 0.5) = 6.85 and 5.5 + 1.5 * (0 - 0.5) = 4.75; in the other order
    # 5.5 + 1.5 * (0.4 - 0.5) = 5.35 and 5.5 + 1.5 * (0 + 0.5) = 6.25.
    assert scores[0, :, :, 0].tolist() == [[7, 5], [5, 6]]
    ask = judges.callable_judge(rng(), STEADY, drawn)
    assert ask("", "0/0", "0/1") == (7, 5)
    assert ask("", "0/1", "0/0") == (6, 5)
    high = judges.Pairs(np.array([[9.0], [-9.0]]), np.zeros((2, 1)))
    assert judges.asked(rng(), STEADY, high, 1)[0, 0, :, 0].tolist() == [10, 1]


def test_a_judge_in_words_says_what_its_scores_say():
    drawn = judges.pairs(rng(), 200)
    words = judges.callable_judge(rng(1), judges.Planted(words=True), drawn)
    points = judges.callable_judge(rng(1), judges.Planted(), drawn)
    for i in range(200):
        one, two = points("", f"{i}/0", f"{i}/1")
        assert words("", f"{i}/0", f"{i}/1") == ("A" if one > two else "B" if two > one else "tie")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 3), st.floats(0, 1), st.floats(-1, 1), st.booleans())
def test_identities_of_any_judge(seed, lean, noise, worth, words):
    """Verdicts alone gain nothing from two orders; a steady judge nothing from asking again."""
    judge = judges.Planted(lean=lean, noise=noise, worth=worth, words=words)
    drawn = judges.pairs(rng(seed), 60)
    scores = judges.asked(rng(seed), judge, drawn, 1)
    scores[:, :, 0] += 0.5  # no verdict is a tie; a tie would be broken by the other order's win
    once, both = repairs(judges.verdicts(scores, drawn.gap, True), ())
    assert both["accuracy"] == pytest.approx(once["accuracy"], abs=1e-12)
    rows = _wang_planted.by_calls(seed, judges.Planted(lean=lean, noise=0.0, worth=worth),
                                  "evidence", 6, 60, 20)  # fmt: skip
    found = {(r["metric"], r["condition"]): r["value"] for r in rows}
    assert found["repeat", "default"] == 1
    assert found["accuracy", "default"] == found["accuracy", "asked once"]


def test_what_the_audit_says_is_what_was_planted():
    """Without noise a verdict changes where the lead is less than the lean."""
    drawn = judges.pairs(rng(3), 4000)
    scores = judges.asked(rng(), STEADY, drawn, 1)
    row = cells(judges.verdicts(scores, drawn.gap, False))[0]
    one, two = np.sign(judges.leads(scores, False)[0])
    seen = drawn.quality + 0.5 * drawn.seen
    size = np.abs(seen[0] - seen[1])
    # Two scores are rounded, by up to half a point each.
    assert size[one != two].max() < 1 + 1 / judges.POINTS
    assert size[(one == two) & (seen < 2).all(0) & (seen > -2).all(0)].min() > 1 - 1 / judges.POINTS
    assert row["second_both"] == 0
    assert row["first_both"] == ((one > 0) & (two < 0)).sum()
    assert row["flip_rate"] == pytest.approx((one != two).mean())
    assert row["favours"] == "first"
    right = np.sign(drawn.gap) == np.sign(seen[0] - seen[1])
    balanced = repairs(judges.verdicts(scores, drawn.gap, False), ())[-1]
    assert balanced["accuracy"] == pytest.approx(right.mean(), abs=0.02)


def test_the_wrappers_and_the_table_agree():
    rows = _wang_planted.by_calls(5, STEADY, "balanced", 2, 600, 600)
    found = {(r["metric"], r["condition"]): r["value"] for r in rows}
    assert found["accuracy", "wrappers"] == pytest.approx(found["accuracy", "default"], abs=1e-12)
    assert found["place", "default"] == 0


@pytest.mark.parametrize("arm", ["leaning-balanced", "placed"])
def test_a_cell_is_pure(arm):
    a, b = (wang_2023.STUDY.measure(SMALL, Cell(arm, 2.0, 3)) for _ in range(2))
    assert a == b
    assert wang_2023.STUDY.measure(SMALL, Cell(arm, 2.0, 4)) != a


def table(tmp_path, prompts=("a", "b"), gold=True, items=24):
    """Write one judge's verdicts: right where the item is even, else it follows the place."""
    rows = [
        {"item": i, "judge": "j", "strategy": p, "winner_12": 1, "winner_21": 1 if even else 2,
         "subset": f"s{i % 3}"} | ({"gold": 1} if gold else {})
        for p in prompts for i in range(items) for even in [i % 2 == 0]
    ]  # fmt: skip
    path = tmp_path / "verdicts.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_collected_verdicts_by_hand(tmp_path):
    data = table(tmp_path)
    parts = _wang_real.part_of(_wang_real.load(data), 4)
    assert sorted(np.bincount(parts)) == [12, 12, 12, 12]
    assert (parts[:24] == parts[24:]).all()
    totals = []
    for part in range(4):
        rows = _wang_real.by_prompt(data, part, 4)
        found = {r["metric"]: r["value"] for r in rows if r["condition"] == "default"}
        assert found["accuracy"] == pytest.approx(1 - found["conflict"] / 2)
        assert found["agreement"] == found["decided"] == pytest.approx(1 - found["conflict"])
        assert found["place_held"] == pytest.approx(found["conflict"])
        assert found["accuracy_decided"] == 1
        totals.append(found["conflict"])
    assert np.mean(totals) == pytest.approx(0.5)
    rows = _wang_real.pooled(data, 0, 4, "balanced", 4, 2)
    found = {(r["metric"], r["condition"]): r["value"] for r in rows}
    assert found["accuracy", "default"] == found["accuracy", "asked once"]
    assert found["accuracy", "diverse 20%"] >= found["accuracy", "random 20%"]
    assert found["repeat", "default"] is None
    once = _wang_real.pooled(data, 0, 4, "balanced", 2, 2)
    assert {r["condition"]: r["value"] for r in once if r["metric"] == "repeat"}["default"] == 1


def test_real_judges(data, tmp_path):
    path = str(data / "judge_llmbar/judgments.csv.gz")
    chosen = wang_2023.Settings(data=path, pairs=100, wrapped=20, calls=(2, 6), rounds=2, draws=2)
    names = {a.name for a in wang_2023.arms(chosen)}
    assert {"real-evidence", "real-balanced", "real-prompts"} <= names
    rows = wang_2023.STUDY.measure(chosen, Cell("real-prompts", 2.0, 0)).rows
    assert len({r["condition"] for r in rows}) == 65 + 1
    for arm in ("real-evidence", "real-balanced"):
        found = {
            (r["metric"], r["condition"]): r["value"]
            for r in wang_2023.STUDY.measure(chosen, Cell(arm, 4.0, 1)).rows
        }
        assert 0.3 < found["accuracy", "default"] < 0.9
        assert found["repeat", "default"] > 0.5


def test_smoke_and_page(tmp_path):
    chosen = replace(
        wang_2023.STUDY.scales["smoke"].settings, data=table(tmp_path, "abcdefgh"), parts=2,
        real_calls=(2, 4), pairs=80, wrapped=20,
    )  # fmt: skip
    run = hackproof.run(
        "wang-2023", scale="smoke", out=tmp_path / "run", workers=0, settings=chosen
    )
    assert run.info["status"] == "finished"
    frame = run.to_pandas()
    for figure in wang_2023.FIGURES:
        assert figure.draw(frame)["data"]["values"], figure.name
    for claim in wang_2023.CLAIMS:
        if claim.id not in ("evidence-keeps-lean", "real-diverse-needs-a-good-judge"):
            levels = {"12", "24"}
            found = claim.per_seed(frame)
            assert set(found) == {0, 1} or levels & set(claim.estimand.split()), claim.id


def test_two_groups_of_judges_are_told_by_other_seeds():
    import pandas as pd

    rows = [
        {"arm": "a", "level": 4.0, "metric": "accuracy", "seed": s, "condition": f"{j}, {c}",
         "value": v}
        for s in range(3) for j, right, more in (("good", 0.8, 0.1), ("bad", 0.3, -0.05))
        for c, v in (("asked once", right), ("diverse 20%", 0.5 + more), ("random 20%", 0.5))
    ]  # fmt: skip
    found = _wang_claims.by_half("a", 4.0)(pd.DataFrame(rows))
    assert found == pytest.approx({0: 0.15, 1: 0.15, 2: 0.15})


def test_settings_that_cannot_be_run_are_named(tmp_path):
    for bad in ({"calls": (2, 3)}, {"calls": (4, 2)}, {"real_calls": ()}, {"leans": (1.0, 0.0)},
                {"pairs": 3}, {"wrapped": 5000}, {"rounds": 0}, {"parts": 1}, {"draws": 0},
                {"data": "/nowhere.csv"}):  # fmt: skip
        with pytest.raises(InputError):
            wang_2023.check(wang_2023.Settings(**bad))
    with pytest.raises(InputError, match="no gold labels"):
        wang_2023.check(wang_2023.Settings(data=table(tmp_path, gold=False)))
    with pytest.raises(InputError, match="no judge in --data has 8 prompts"):
        _wang_real.pooled(table(tmp_path), 0, 2, "evidence", 8, 1)
    one_order = tmp_path / "one.csv"
    one_order.write_text("item,judge,winner,gold\n1,j,1,1\n2,j,1,2\n")
    with pytest.raises(InputError, match="one order only"):
        wang_2023.check(wang_2023.Settings(data=str(one_order)))

"""`audit judge` on tables: real data to the row, layouts, planted effects, bad input."""

import csv
import gzip
import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control

from hackproof.audit import judge, recount
from hackproof.audit._judge import _layouts, _lean, _position
from hackproof.audit._judge._verdicts import FIRST, MISSING, SECOND, TIE, UNREADABLE, majority
from hackproof.errors import InputError
from hackproof.studies._planted_judges import planted

DATA = Path(os.environ.get("HACKPROOF_DATA", "")) / "judge_llmbar"
real = pytest.mark.skipif(
    not os.environ.get("HACKPROOF_DATA") or not DATA.is_dir(),
    reason="HACKPROOF_DATA does not name a folder with judge_llmbar",
)


def write(folder, name, rows):
    """Write rows as the format of the name."""
    path = folder / name
    frame = pd.DataFrame(rows)
    if name.endswith(".parquet"):
        frame.to_parquet(path)
    elif ".jsonl" in name:
        path.write_text("\n".join(json.dumps(r) for r in rows))
    else:
        frame.to_csv(path, index=False)
    return path


@real
def test_llmbar_to_the_row():
    audit = judge(DATA / "judgments.csv.gz")
    with gzip.open(DATA / "pairs.jsonl.gz", "rt") as file:
        gold = {(p["subset"], str(p["i"])): str(p["label"]) for p in map(json.loads, file)}
    cells = {}
    with gzip.open(DATA / "judgments.csv.gz", "rt") as file:
        for r in csv.DictReader(file):
            cells.setdefault((r["judge"], r["strategy"], r["subset"]), []).append(
                (r["winner_order_12"], r["winner_order_21_mapped_back"], gold[r["subset"], r["i"]])
            )
    rows = {(r["judge"], r["strategy"], r["subset"]): r for r in audit.table("cells").rows}
    assert rows.keys() == cells.keys()
    p = []
    for key, verdicts in cells.items():
        row = rows[key]
        both = [(a, b, g) for a, b, g in verdicts if a and b]
        first = sum((a, b) == ("1", "2") for a, b, _ in both)
        second = sum((a, b) == ("2", "1") for a, b, _ in both)
        said = [v == g for a, b, g in verdicts for v in (a, b) if v]
        assert row["n"] == len(verdicts)
        assert row["both_valid"] == len(both)
        assert row["both_missing"] == sum(not a and not b for a, b, _ in verdicts)
        assert (row["first_both"], row["second_both"]) == (first, second)
        assert row["agreement"] == pytest.approx(1 - (first + second) / len(both), abs=1e-12)
        assert row["flip_rate"] == pytest.approx((first + second) / len(both), abs=1e-12)
        assert row["accuracy"] == pytest.approx(sum(said) / len(said), abs=1e-12)
        p.append(binomtest(first, first + second).pvalue if first + second else 1.0)
        assert row["p_value"] == pytest.approx(p[-1])
        assert row["agreement_low"] <= row["agreement"] <= row["agreement_high"]
    for key, q in zip(cells, false_discovery_control(p), strict=True):
        row = rows[key]
        more = "first" if row["first_both"] > row["second_both"] else "second"
        assert row["favours"] == (more if q <= 0.05 else None)
    assert sum(r["n"] for r in rows.values()) == audit.facts["rows"] == 24_245
    found = [f for f in audit.findings if f.rule == "judge-position"]
    assert found
    assert all(f.status == "PROVEN" for f in found)
    space: dict = {}
    exec(found[0].reproducer.replace("print(", "print_("), {"print_": lambda v: space.update(v=v)})
    assert str(space["v"]) in found[0].reproducer


@real
def test_vicuna_bench_cannot_tell_place_from_quality():
    audit = judge(DATA.parent / "judge_vicuna_bench/reviews_gpt4.jsonl.gz")
    assert not audit.findings
    checks = {c.name: c for c in audit.checks}
    assert not checks["position"].ran
    assert "one order only" in checks["position"].why
    assert not any(c.ran for c in audit.checks)
    assert audit.facts["rows"] == 720
    length = next(r for r in audit.table("leans").rows if r["trait"] == "length")
    assert length["won"] > 0.5
    assert length["lean"] is None
    assert {r["generator"] for r in audit.table("heat_map").rows} >= {"bard", "gpt35"}


def test_layouts_are_one(tmp_path):
    """The same verdicts as five tables and three formats give the same cells."""
    rng = np.random.default_rng(0)
    long = planted(rng, 60, place=0.3)
    for row in long:
        del row["model_1"], row["model_2"]
    wide = {}
    for row in long:
        won = {"A": 1, "B": 2}[row["winner"]]
        if row["order"] == 21:
            won = 3 - won
        wide.setdefault(row["item"], {"i": row["item"], "judge": "me", "gold": row["gold"]})[
            f"winner_order_{row['order']}"
        ] = won
    swapped = [
        {"question_id": r["item"], "judge": "me", "swapped": r["order"] == 21,
         "gold": r["gold"], "verdict": f"[[{r['winner']}]]"}
        for r in long
    ]  # fmt: skip
    scored = [
        {"item": r["item"], "judge": "me", "order": r["order"], "gold": r["gold"],
         "score_a": 9 if r["winner"] == "A" else 3, "score_b": 5}
        for r in long
    ]  # fmt: skip
    by_model = [
        {"item": r["item"], "judge": "me",
         "model_a": "x" if r["order"] == 12 else "y", "model_b": "y" if r["order"] == 12 else "x",
         "winner": f"model_{r['winner'].lower()}",
         "gold": r["gold"] if r["order"] == 12 else 3 - r["gold"]}
        for r in long
    ]  # fmt: skip
    made = [
        write(tmp_path, "long.csv", long), write(tmp_path, "long.parquet", long),
        write(tmp_path, "wide.jsonl", list(wide.values())),
        write(tmp_path, "swapped.jsonl", swapped), write(tmp_path, "scored.csv", scored),
        write(tmp_path, "models.csv", by_model),
    ]  # fmt: skip
    tables = [judge(p, checks=["position"]).table("cells").rows for p in made]
    assert tables[0][0]["first_both"] > tables[0][0]["second_both"]
    assert all(t == tables[0] for t in tables[1:])


def test_columns_by_other_names(tmp_path):
    rows = [{"Q": i, "who": "j", "o": o, "w": "A"} for i in range(9) for o in (12, 21)]
    path = write(tmp_path, "t.csv", rows)
    names = {"item": "Q", "judge": "who", "order": "o", "winner": "w"}
    row = judge(path, columns=names, checks=["position"]).table("cells").rows[0]
    assert (row["judge"], row["first_both"]) == ("j", 9)
    answers = judge(path, columns=names, checks=["position"], means="answers")
    assert answers.table("cells").rows[0]["agreement"] == 1.0


def test_samples_of_a_pair_are_one_pair(tmp_path):
    rows = [
        {"item": i, "sample": k, "winner_12": 1, "winner_21": 2 if k < 2 else 1}
        for i in range(12) for k in range(3)
    ]  # fmt: skip
    row = judge(write(tmp_path, "t.csv", rows), checks=["position"]).table("cells").rows[0]
    assert (row["n"], row["first_both"], row["p_value"]) == (12, 12, pytest.approx(2**-11))


def test_planted_effects_are_found_and_only_they(tmp_path):
    rng = np.random.default_rng(1)
    rules = {
        "place": {"judge-position"}, "length": {"judge-verbosity"}, "own": {"judge-self-preference"}
    }  # fmt: skip
    for effect, expected in rules.items():
        path = write(tmp_path, f"{effect}.csv", planted(rng, 600, **{effect: 0.35}))
        assert {f.rule for f in judge(path).findings} == expected
    path = write(tmp_path, "noise.csv", planted(rng, 600, flip=0.3))
    audit = judge(path)
    assert not audit.findings, "flips that go either way are noise"
    row = audit.table("cells").rows[0]
    assert row["flip_rate_low"] < 0.3 < row["flip_rate_high"]


def test_a_lean_is_the_share_that_follows_the_trait():
    rng = np.random.default_rng(2)
    n = 20_000
    better = rng.random(n) < 0.7
    right = rng.random(n) < 0.8
    follows = rng.random(n) < 0.25
    picked = np.where(follows, 1.0, np.where(better, right, ~right) * 1.0)
    found = _lean.lean(picked, better, rng.integers(0, 3, n))
    assert found is not None
    _, low, high, p, pairs = found
    assert low < 0.25 < high
    assert high - low < 0.05
    assert p < 1e-9
    assert pairs == n
    assert _lean.lean(picked[:5], better[:5], np.zeros(5, int)) is None


def test_a_lean_is_not_fooled_by_subsets_of_other_difficulty():
    """Longer is better in an easy subset and worse in a hard one; the judge ignores length."""
    rng = np.random.default_rng(3)
    stratum = np.repeat([0, 1], 4000)
    better = rng.random(8000) < np.where(stratum == 0, 0.9, 0.1)
    right = rng.random(8000) < np.where(stratum == 0, 0.95, 0.55)
    picked = np.where(better, right, ~right) * 1.0
    assert abs(_lean.lean(picked, better, stratum)[0]) < 0.05
    assert _lean.lean(picked, better, np.zeros(8000, int))[0] > 0.2


def test_self_preference_beside_other_judges(tmp_path):
    """Four models judge each other without gold labels; one favours its own."""
    rng = np.random.default_rng(4)
    models = ["a", "b", "c", "d"]
    strength = dict(zip(models, (0.0, 0.4, 0.9, 1.4), strict=True))
    rows = []
    for i in range(150):
        for j in models:
            for x in range(4):
                for y in range(x):
                    one, two = models[x], models[y]
                    lead = strength[one] - strength[two]
                    lead += (j == "a") * 1.5 * ((one == "a") - (two == "a"))
                    lead *= 0.3 if j == "b" else 1.0  # a blunt judge is no biased one
                    won = 1 if rng.random() < 1 / (1 + math.exp(-lead)) else 2
                    rows.append({"item": i, "judge": j, "model_1": one, "model_2": two,
                                 "winner_12": won, "winner_21": won})  # fmt: skip
    audit = judge(write(tmp_path, "t.csv", rows), checks=["self-preference"])
    assert [f.claim.split()[0] for f in audit.findings] == ["a"]
    own = {r["judge"]: r for r in audit.table("own").rows}
    assert own["a"]["log_odds_low"] < 1.5 < own["a"]["log_odds_high"]
    assert all(r["log_odds_low"] < 0 < r["log_odds_high"] for j, r in own.items() if j != "a")


def test_self_preference_alone_is_not_told_from_quality(tmp_path):
    rows = [
        {"item": i, "judge": "a", "model_1": "a", "model_2": "b", "winner_12": 1, "winner_21": 1}
        for i in range(200)
    ]  # fmt: skip
    audit = judge(write(tmp_path, "t.csv", rows), checks=["self-preference"])
    assert not audit.findings
    assert not audit.checks[0].ran
    assert "cannot be told from quality" in audit.checks[0].why


def test_repairs_remove_the_place_and_a_person_helps_most_where_verdicts_differ(tmp_path):
    rng = np.random.default_rng(5)
    rows = []
    for i in range(500):
        gold, hard = int(rng.integers(1, 3)), rng.random() < 0.4
        for k in range(3):
            for order in (12, 21):
                first = 1 if order == 12 else 2
                sure = gold if rng.random() < 0.95 else 3 - gold
                won = first if hard and rng.random() < 0.7 else sure
                rows.append({"item": i, "sample": k, "order": order, "gold": gold,
                             "winner": "AB"[won != first]})  # fmt: skip
    audit = judge(write(tmp_path, "t.csv", rows), checks=["repairs"])
    rows = {r["repair"]: r for r in audit.table("repairs").rows}
    once, both = rows["asked once"], rows["both orders, 3 times"]
    assert once["place"] > 0.1
    assert both["place"] == 0
    assert both["accuracy"] > once["accuracy"] + 0.03
    assert both["gain_per_call"] == pytest.approx((both["accuracy"] - once["accuracy"]) / 5)
    person = rows["a person checks 20%"]
    assert person["accuracy"] > person["random"] + 0.02
    assert rows["asked 3 times"]["calls"] == 3


BAD = {
    "no rows": ("t.csv", "item,winner_12,winner_21\n", "no rows"),
    "empty": ("t.csv", "", "is empty"),
    "no item": ("t.csv", "winner_12,winner_21\n1,2\n", "which pair a row is about"),
    "no winner": ("t.csv", "item,judge\n1,x\n", "has no winner"),
    "all unreadable": ("t.csv", "item,winner_12,winner_21\n1,yes,no\n", "no verdict"),
    "zero and one": ("t.csv", "item,order,winner\n1,12,0\n1,21,1\n", "holds 0 and 1"),
    "an order": ("t.csv", "item,order,winner\n1,13,A\n", "'13' is neither 12 nor 21"),
    "no order": ("t.csv", "item,order,winner\n1,12,A\n2,,A\n", "empty entries"),
    "twice": ("t.csv", "item,item,winner\n1,1,A\n", "twice"),
    "ragged": ("t.csv", "item,winner\n1,A\n2,A,3\n", "not a table"),
    "json": ("t.jsonl", '{"item": 1}\n{item\n', "line 2 is not JSON"),
    "no object": ("t.jsonl", "[1]\n", "is no JSON object"),
    "format": ("t.txt", "x", "is none of"),
    "parquet": ("t.parquet", "x", "not a Parquet file"),
    "gzip": ("t.csv.gz", "\x1f", "broken|not a table|no column|no rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_named(tmp_path, case):
    name, text, said = BAD[case]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        judge(tmp_path / name)


def test_text_that_is_not_utf8_is_named_by_line(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"item,winner\n1,A\n2,\xe9\n")
    (tmp_path / "t.jsonl").write_bytes(b'{"item": 1}\n\n{"item": "\xe9"}\n')
    (tmp_path / "t.json").write_bytes(b'[{"item": 1},\n\n{"item": "\xe9"}]\n')
    for name in ("t.csv", "t.jsonl", "t.json"):
        with pytest.raises(InputError, match="line 3 is not UTF-8"):
            judge(tmp_path / name)
    with pytest.raises(InputError, match="there is no file"):
        judge(tmp_path / "none.csv")
    with pytest.raises(InputError, match="unknown column"):
        judge(write(tmp_path, "u.csv", [{"a": 1}]), columns={"item": "b"})


def test_every_row_is_counted(tmp_path):
    rows = [{"item": i, "winner_12": "A", "winner_21": "A"} for i in range(10)]
    rows += [{"item": None, "winner_12": "A", "winner_21": "A"}]
    rows += [{"item": 20, "winner_12": "banana", "winner_21": "A"}]
    rows += [{"item": 21, "winner_12": "", "winner_21": "error"}]
    audit = judge(write(tmp_path, "t.csv", rows), checks=["position"])
    assert audit.facts["rows"] == 13
    assert audit.dropped == {"rows without an item": 1}
    row = audit.table("cells").rows[0]
    assert (row["n"], row["both_valid"], row["both_missing"], row["one_missing"]) == (12, 10, 1, 1)
    assert audit.facts["verdicts that are no winner"] == 1
    assert "'banana'" in audit.facts["read as"]


def test_what_cannot_be_measured_is_said(tmp_path):
    ties = [{"item": i, "winner_12": "tie", "winner_21": "tie"} for i in range(30)]
    audit = judge(write(tmp_path, "ties.csv", ties), checks=["position"])
    assert audit.checks[0].why == "every verdict is a tie"
    once = [{"item": i, "winner": "A"} for i in range(30)]
    audit = judge(write(tmp_path, "once.csv", once), checks=["position"])
    assert "one order only" in audit.checks[0].why
    assert not audit.findings
    assert audit.table("cells").rows[0]["flip_rate"] is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([FIRST, SECOND, TIE, MISSING, UNREADABLE]),
            st.sampled_from([FIRST, SECOND, TIE, MISSING, UNREADABLE]),
            st.integers(0, 2),
        ),
        min_size=1, max_size=40,
    )
)  # fmt: skip
def test_counts_add_up(verdicts):
    one, two, who = (np.array(x) for x in zip(*verdicts, strict=True))
    from hackproof.audit._judge._verdicts import Names, Verdicts

    n = len(who)
    zero = Names(np.zeros(n, dtype=np.int64), ("",))
    table = Verdicts(
        Names(who, ("a", "b", "c")), zero, zero, Names(np.arange(n), tuple(map(str, range(n)))),
        one.astype(np.int8), two.astype(np.int8), np.zeros(n, dtype=np.int64),
    )  # fmt: skip
    rows = _position.cells(table)
    assert sum(r["n"] for r in rows) == n
    for r in rows:
        assert r["both_valid"] + r["both_missing"] + r["one_missing"] == r["n"]
        if r["both_valid"]:
            assert r["agreement"] + r["flip_rate"] == pytest.approx(1)
            assert 0 <= r["p_value"] <= r["p_adjusted"] <= 1
        assert r["first_both"] <= r["first_leans"]
    swapped = {FIRST: SECOND, SECOND: FIRST}
    from dataclasses import replace

    def flip(v):
        return np.array([swapped.get(int(x), int(x)) for x in v], dtype=np.int8)

    turned = replace(table, order_12=flip(one), order_21=flip(two))
    for a, b in zip(rows, _position.cells(turned), strict=True):
        assert a["agreement"] == b["agreement"]
        assert (a["first_leans"], a["second_leans"]) == (b["second_leans"], b["first_leans"])


def test_majority_of_samples(tmp_path):
    rows = [{"item": 0, "winner_12": w, "winner_21": "tie"} for w in ("A", "A", "B", "error")]
    once = majority(_layouts.load(write(tmp_path, "t.csv", rows)))
    assert (len(once), once.order_12[0], once.order_21[0]) == (1, FIRST, TIE)


def test_recount_wants_a_judge_that_is_there(tmp_path):
    path = write(tmp_path, "t.csv", [{"item": 0, "judge": "x", "winner_12": 1, "winner_21": 2}])
    assert recount(path, judge="x") == (1, 0)
    with pytest.raises(InputError, match="unknown judge"):
        recount(path, judge="y")


def cell(path, **more):
    """Return the one cell of a table's audit."""
    return judge(path, checks=["position", "agreement"], **more).table("cells").rows[0]


def test_a_winner_by_a_models_name_is_that_model_whatever_its_place(tmp_path):
    rng = np.random.default_rng(6)
    won = rng.integers(0, 2, 60)
    for shown in (False, True):
        rows = []
        for i in range(60):
            for order in ("AB", "BA"):
                x, y = ("y", "x") if shown and order == "BA" else ("x", "y")
                rows.append({"item": i, "order": order, "model_a": x, "model_b": y,
                             "winner": "xy"[won[i]], "gold": 1 + won[i]})  # fmt: skip
        row = cell(write(tmp_path, "t.csv", rows))
        assert (row["n"], row["flip_rate"], row["accuracy"]) == (60, 0.0, 1.0)
    wide = [{"item": i, "model_1": "x", "model_2": "y", "winner_12": "xy"[w], "winner_21": "xy"[w]}
            for i, w in enumerate(won)]  # fmt: skip
    assert cell(write(tmp_path, "w.csv", wide), means="positions")["flip_rate"] == 0.0


def test_a_table_of_pairs_is_matched_by_its_writers(tmp_path):
    rng = np.random.default_rng(7)
    won = rng.integers(1, 3, 60)
    rows = [{"item": i, "model_1": "x", "model_2": "y", "winner": "AB"[w - 1]}
            for i, w in enumerate(won)]  # fmt: skip
    rows += [{"item": i, "model_1": "y", "model_2": "x", "winner": "BA"[w - 1]}
             for i, w in enumerate(won)]  # fmt: skip
    rng.shuffle(rows)
    pairs = [{"item": i, "model_1": "x", "model_2": "y", "gold": w} for i, w in enumerate(won)]
    path = write(tmp_path, "v.csv", rows)
    row = cell(path, pairs=write(tmp_path, "p.csv", pairs))
    assert (row["n"], row["accuracy"]) == (60, 1.0)
    for p in pairs:
        del p["model_1"], p["model_2"]
    with pytest.raises(InputError, match="give it model_1 and model_2"):
        judge(path, pairs=write(tmp_path, "p.csv", pairs))


def test_empty_samples_large_identifiers_and_blanks_merge_or_split_no_pairs(tmp_path):
    rows = [{"item": i, "order": o, "winner": "A", "sample": None if i % 3 else 0}
            for i in range(30) for o in (12, 21)]  # fmt: skip
    assert cell(write(tmp_path, "s.csv", rows))["n"] == 30
    large = [{"item": 1234567890123450000 + i if i else None, "winner_12": 1, "winner_21": 1}
             for i in range(30)]  # fmt: skip
    assert cell(write(tmp_path, "k.jsonl", large))["n"] == 29
    text = "item,winner_12,winner_21\n,1,1\n"
    (tmp_path / "k.csv").write_text(text + "".join(f"{r['item']},1,1\n" for r in large[1:]))
    assert cell(tmp_path / "k.csv")["n"] == 29
    mixed = [{"item": f"{i} " if o == 12 else i, "order": o, "winner": "A"}
             for i in range(30) for o in (12, 21)]  # fmt: skip
    assert cell(write(tmp_path, "m.jsonl", mixed))["both_valid"] == 30


def test_codings_that_are_read_in_part_are_refused(tmp_path):
    for words in (["1", "0", "tie"], [0, 0.5, 1], [0, 1, 2], ["one", "A", "B"]):
        rows = [
            {"item": i, "order": o, "winner": words[i % 3]} for i in range(60) for o in (12, 21)
        ]
        with pytest.raises(InputError, match=r"holds 0 and 1|often holds"):
            judge(write(tmp_path, "t.csv", rows))
    scores = [{"item": i, "order": o, "score_1": -1.0, "score_2": -2.0}
              for i in range(20) for o in (12, 21)]  # fmt: skip
    assert cell(write(tmp_path, "t.csv", scores))["first_both"] == 20
    scores = [{**r, "score_1": "8/10"} for r in scores]
    with pytest.raises(InputError, match="40 entries of score_1"):
        judge(write(tmp_path, "t.csv", scores))


def test_gold_labels_that_differ_or_cannot_be_read_are_counted(tmp_path):
    rows = [{"item": i, "order": o, "winner": "A", "gold": 1 if o == 12 or i else 2}
            for i in range(20) for o in (12, 21)]  # fmt: skip
    audit = judge(write(tmp_path, "t.csv", rows), checks=["agreement"])
    assert "1 pairs have gold labels that differ" in audit.facts["read as"]
    assert audit.table("cells").rows[0]["accuracy_n"] == 38
    rows[4]["gold"] = rows[5]["gold"] = "good"
    audit = judge(write(tmp_path, "t.csv", rows), checks=["agreement"])
    assert "2 gold labels are no winner" in audit.facts["read as"]


def test_the_item_is_the_most_specific_column_that_names_pairs(tmp_path):
    rows = [
        {"question_id": i // 4, "pair_id": i, "winner_12": 1, "winner_21": 1} for i in range(40)
    ]
    assert cell(write(tmp_path, "a.csv", rows))["n"] == 40
    rows = [{"id": 2 * i + k, "question": f"q{i}", "order": o, "winner": "A"}
            for i in range(20) for k, o in enumerate((12, 21))]  # fmt: skip
    assert cell(write(tmp_path, "b.csv", rows))["both_valid"] == 20
    rows = [{"question_id": i, "turn": t, "judge": ["gpt-4", "v2"], "g1_winner": "model_1",
             "g2_winner": "model_1"} for i in range(20) for t in (1, 2)]  # fmt: skip
    row = cell(write(tmp_path, "c.jsonl", rows))
    assert (row["n"], row["judge"]) == (40, "gpt-4/v2")


def test_writers_without_games_or_names_accuse_nobody(tmp_path):
    """Two judges, three writers: each other's view says nothing of one's own against the other."""
    rng = np.random.default_rng(8)
    quality = {"a": -2.0, "b": 0.0, "c": 0.0}
    rows = []
    for i in range(400):
        x, y = rng.choice(list(quality), 2, replace=False)
        for j in ("a", "b"):
            won = 1 if rng.random() < 1 / (1 + math.exp(quality[y] - quality[x])) else 2
            rows.append({"item": i, "judge": j, "model_1": x, "model_2": y, "winner_12": won,
                         "winner_21": won})  # fmt: skip
    audit = judge(write(tmp_path, "t.csv", rows), checks=["self-preference"])
    assert not audit.findings
    assert "cannot be told from quality" in audit.checks[0].why
    for r in rows:
        r["model_1"], r["model_2"] = (None if m == "c" else m for m in (r["model_1"], r["model_2"]))
    audit = judge(write(tmp_path, "t.csv", rows), checks=["self-preference"])
    assert not audit.findings
    assert "are left out" in audit.table("heat_map").note


def test_repairs_say_whom_they_leave_out(tmp_path):
    rows = [{"item": i, "order": o, "winner": "A", "score": 0.9, "sample": k}
            for i in range(20) for o in (12, 21) for k in range(2 if i < 15 else 1)]  # fmt: skip
    audit = judge(write(tmp_path, "t.csv", rows), checks=["repairs"])
    assert audit.checks[0].ran
    assert "5 of 20" in audit.checks[0].why
    rows = [{"item": 0, "judge": None, "winner_12": 1, "winner_21": 2},
            {"item": 1, "judge": "x", "winner_12": 1, "winner_21": 1}]  # fmt: skip
    assert recount(write(tmp_path, "n.csv", rows), judge="") == (1, 0)

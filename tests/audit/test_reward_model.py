"""`audit reward-model`: curves, peaks, best-of-n by hand, ensembles, rewrites, bad input."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.audit import reward_model
from hackproof.audit._reward_model import _audit, _curves
from hackproof.audit._reward_model._audit import sizes
from hackproof.audit._reward_model._read import Loaded, Samples
from hackproof.errors import InputError


def curve(rng, form, alpha, beta, runs=6, noise=0.05, reach=4.0, points=14):
    d = np.linspace(0, reach, points)
    bend = d if form == "best-of-n" else np.log(np.where(d > 0, d, 1.0))
    return [
        {"seed": s, "d": x, "form": form, "gold": 0.3 + y + rng.normal(0, noise), "proxy": 1.1 * x}
        for s in range(runs)
        for x, y in zip(d, d * (alpha - beta * bend), strict=True)
    ]


def write(folder, name, rows):
    path = folder / name
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def gold(audit):
    return next(r for r in audit.table("curves").rows if r["score"] == "gold")


@pytest.mark.parametrize(
    ("form", "alpha", "beta", "peak"),
    [("best-of-n", 1.2, 0.25, 2.4), ("rl", 1.0, 0.5, math.e)],
)
@pytest.mark.parametrize("runs", [1, 6])
def test_coefficients_and_peak_are_recovered(tmp_path, form, alpha, beta, peak, runs):
    rows = curve(np.random.default_rng(0), form, alpha, beta, runs=runs)
    audit = reward_model(write(tmp_path, "t.csv", rows), checks=["curve"])
    row = gold(audit)
    for name, truth in (("alpha", alpha), ("beta", beta), ("peak_d", peak)):
        assert row[name] == pytest.approx(truth, rel=0.1)
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
        # Whether intervals hold the truth as often as they say: test_coverage and benchmarks/.
        assert row[f"{name}_high"] - row[f"{name}_low"] < 0.5 * truth
    assert row["stop_kl"] == pytest.approx(row["peak_d"] ** 2)
    assert [f.rule for f in audit.findings] == ["reward-model-overoptimised"]
    half = reward_model(tmp_path / "t.csv", first=0.5, checks=["curve"])
    assert gold(half)["points"] < row["points"]


def test_a_curve_that_only_rises_has_no_peak(tmp_path):
    rows = curve(np.random.default_rng(1), "rl", 1.0, 0.0)
    audit = reward_model(write(tmp_path, "t.csv", rows), checks=["curve"])
    assert not audit.findings
    assert gold(audit)["peak_d_high"] is None


def test_coverage_of_peak_and_coefficients():
    """Of 120 curves with six runs each, by far most intervals hold the truth (0.95 is aimed at)."""
    held = np.zeros(3)
    for k in range(120):
        rows = pd.DataFrame(curve(np.random.default_rng(k), "best-of-n", 1.0, 0.2, noise=0.1))
        made = _curves.fit(_curves.Curve("best-of-n", rows["d"].to_numpy(), rows["gold"].to_numpy(),
                                         rows["seed"].to_numpy()), seed=k)  # fmt: skip
        truth = (made.alpha, 1.0), (made.beta, 0.2), (made.peak_d, 2.5)
        held += [low <= value <= high for (_, low, high), value in truth]
    assert (held >= 104).all(), held  # under 0.95, fewer than 104 of 120 have probability 0.0003


def test_best_of_n_is_the_mean_over_all_subsets():
    rng = np.random.default_rng(2)
    proxy, truth = rng.standard_normal((2, 3, 6))
    ns = [1, 2, 3, 6]
    found_proxy, found_gold = _curves.best_of(proxy, truth, ns)
    for i, n in itertools.product(range(3), range(len(ns))):
        subsets = list(itertools.combinations(range(6), ns[n]))
        best = [max(s, key=lambda j: proxy[i, j]) for s in subsets]
        assert found_gold[i, n] == pytest.approx(np.mean(truth[i, best]))
        assert found_proxy[i, n] == pytest.approx(np.mean(proxy[i, best]))


def test_samples_that_tie_share_the_chance():
    """By hand: of every subset one of the best is taken, each as likely; rows' order is nothing."""
    rng = np.random.default_rng(12)
    proxy, truth = rng.integers(0, 3, (4, 6)).astype(float), rng.standard_normal((4, 6))
    proxy[0] = 1.0
    ns = [1, 2, 3, 6]
    found_proxy, found_gold = _curves.best_of(proxy, truth, ns)
    for i, n in itertools.product(range(4), range(len(ns))):
        subsets = [list(s) for s in itertools.combinations(range(6), ns[n])]
        by_hand = [truth[i, s][proxy[i, s] == proxy[i, s].max()].mean() for s in subsets]
        assert found_gold[i, n] == pytest.approx(np.mean(by_hand))
        assert found_proxy[i, n] == pytest.approx(np.mean([proxy[i, s].max() for s in subsets]))
    assert found_gold[0] == pytest.approx(truth[0].mean())
    other = rng.permutation(6)
    assert (_curves.best_of(proxy[:, other], truth[:, other], ns)[1] == found_gold).all()


def ensemble(rng, members, prompts=30, samples=8):
    return [
        {"item": i, "gold": (g := rng.standard_normal()),
         **{f"proxy_{m + 1}": round(g + rng.standard_normal()) for m in range(members)}}
        for i in range(prompts) for _ in range(samples)
    ]  # fmt: skip


def test_order_of_rows_does_not_matter_where_scores_tie(tmp_path):
    rows = ensemble(np.random.default_rng(13), 3)
    audits = [
        reward_model(write(tmp_path, "t.csv", sorted(rows, key=lambda r: sign * r["gold"])),
                     checks=["curve", "ensemble"])
        for sign in (1, -1)
    ]  # fmt: skip
    for name in ("points", "ensemble"):
        for one, two in zip(*(a.table(name).rows for a in audits), strict=True):
            assert one == pytest.approx(two, abs=1e-9)


def test_a_member_whose_scores_are_all_the_same_is_left_out_and_said(tmp_path):
    rows = ensemble(np.random.default_rng(14), 2)
    flat = [{**r, "proxy_3": 0.1} for r in rows]
    two, three, one = (
        reward_model(write(tmp_path, "t.csv", made), checks=["ensemble"])
        for made in (rows, flat, [{**r, "proxy_2": 0.5} for r in flat])
    )
    assert three.table("ensemble").rows == two.table("ensemble").rows
    assert three.checks[0].ran
    assert "proxy_3" in three.checks[0].why
    assert not two.checks[0].why
    assert not one.checks[0].ran
    assert "proxy_2, proxy_3" in one.checks[0].why


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 300))
def test_sizes_and_kl(n):
    ns = sizes(n)
    assert ns[0] == 1
    assert ns[-1] == n
    assert ns == sorted(set(ns))
    kl = [_curves.bon_kl(k) for k in ns]
    assert kl[0] == 0
    assert all(a < b for a, b in itertools.pairwise(kl))


def test_samples_and_an_ensemble(tmp_path):
    """Members err in ways of their own: the minimum forgives less than one of them."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(120):
        for _ in range(64):
            good, hack = rng.standard_normal(), rng.standard_t(3)
            rows.append({"item": i, "gold": good - 0.5 * max(hack, 0), "proxy_1": good + hack,
                         "proxy_2": good + rng.standard_normal(),
                         "proxy_3": good + rng.standard_normal()})  # fmt: skip
    rows.append({"item": 999, "gold": 0.0, "proxy_1": 0.0, "proxy_2": 0.0, "proxy_3": 0.0})
    rows.append({"item": 0, "gold": None, "proxy_1": 0.0, "proxy_2": 0.0, "proxy_3": 0.0})
    audit = reward_model(write(tmp_path, "t.csv", rows), checks=["curve", "ensemble"])
    assert audit.dropped == {
        "rows without a finite gold or proxy_1 or proxy_2 or proxy_3": 1,
        "rows of prompts with fewer than 64 samples": 1,
    }
    minimum = next(r for r in audit.table("ensemble").rows if r["chosen_by"] == "minimum")
    assert minimum["gain_low"] > 0
    points = [r for r in audit.table("points").rows if r["score"] == "proxy"]
    assert all(a["mean"] < b["mean"] for a, b in itertools.pairwise(points))


def test_labels_may_be_the_gold_score(tmp_path):
    rng = np.random.default_rng(4)
    rows = [
        {"prompt_id": i, "label": int(rng.random() < 0.5), "reward": rng.random()}
        for i in range(40) for _ in range(8)
    ]  # fmt: skip
    row = gold(reward_model(write(tmp_path, "t.csv", rows), checks=["curve"]))
    assert row["alpha_low"] < 0 < row["alpha_high"]


def test_a_model_scores_answers_and_is_rewritten(tmp_path):
    rng = np.random.default_rng(5)
    rows = [
        {"item": i, "prompt": f"question {i}", "answer": "word " * int(rng.integers(1, 30)),
         "gold": rng.random()}
        for i in range(20) for _ in range(8)
    ]  # fmt: skip
    audit = reward_model(
        write(tmp_path, "t.csv", rows), proxy=lambda texts: [float(len(t)) for t in texts]
    )
    rewrites = {r["rewrite"]: r for r in audit.table("rewrites").rows}
    assert rewrites["longer"]["points"] > 0
    assert {f.rule for f in audit.findings} >= {"reward-model-style"}


def test_given_rewrites(tmp_path):
    rng = np.random.default_rng(6)
    rows = [
        {"score": (s := rng.standard_normal()), "rewrite": w,
         "score_rewritten": s + (w == "cheerful") * 0.8 + 0.1 * rng.standard_normal()}
        for w in ("cheerful", "plain") for _ in range(60)
    ]  # fmt: skip
    audit = reward_model(write(tmp_path, "t.csv", rows), checks=["rewrites"])
    assert len(audit.findings) == 1
    assert "(cheerful)" in audit.findings[0].claim


@pytest.mark.parametrize("answers", [2, 3, 5])
def test_few_answers_that_no_rewrite_moves_are_seldom_surely_moved(answers):
    """Of 1,000 tests at 5%, 70 or more are below it with probability .004."""
    moved = np.random.default_rng(answers).standard_normal((1_000, answers))
    assert sum((_audit._p_moved(m) or 0.0) <= 0.05 for m in moved) < 70
    assert _audit._p_moved(np.ones(answers)) == 2.0 ** (1 - answers)
    assert _audit._p_moved(np.zeros(answers)) == 1


def test_one_answer_tells_nothing_of_a_rewrite(tmp_path):
    rows = [{"score": 0.0, "score_rewritten": 5.0, "rewrite": "a"}]
    rows += [{"score": k / 9, "score_rewritten": k / 9 + 5, "rewrite": "b"} for k in range(9)]
    one = reward_model(write(tmp_path, "t.csv", rows[:1]), checks=["rewrites"])
    assert not one.findings
    assert not one.checks[0].ran
    assert "one answer" in one.checks[0].why
    both = reward_model(write(tmp_path, "t.csv", rows), checks=["rewrites"])
    assert [f.claim[:22] for f in both.findings] == ["Rewriting in style (b)"]
    assert both.checks[0].ran
    assert both.checks[0].why.endswith(": a")
    assert both.table("rewrites").rows[0]["points_low"] is None


BAD = {
    "no gold": ("item,proxy\n1,1\n", "no gold score"),
    "no proxy": ("item,gold\n1,1\n", "no proxy score"),
    "no item": ("proxy,gold\n1,1\n", "neither kl, d or n"),
    "below": ("kl,gold\n-1,1\n", "must not be below 0"),
    "n": ("n,gold\n0,1\n", "must not be below 1"),
    "form": ("kl,gold,form\n1,1,sft\n", "unknown form"),
    "one sample": ("item,proxy,gold\n1,1,1\n2,1,1\n", "one sample per prompt.* item=COLUMN"),
    "no number": ("item,proxy,gold\n1,x,1\n", "no row has a finite proxy"),
    "no gold score": ("d,gold\n1,\n2,\n", "no row has a finite gold"),
    "no item's name": ("item,proxy,gold\n,1,1\n,2,2\n", "no row has an item"),
    "too large": ("d,gold\n1,1e200\n2,1\n", "too large"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_named(tmp_path, case):
    text, said = BAD[case]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        reward_model(tmp_path / "t.csv")
    for bad in ({"first": 0}, {"form": "x"}, {"checks": ["x"]}):
        with pytest.raises(InputError):
            reward_model(write(tmp_path, "u.csv", [{"kl": 1, "gold": 1}]), **bad)


def lines(folder, rows):
    path = folder / "t.jsonl"
    path.write_text("".join(f"{json.dumps(r)}\n" for r in rows))
    return path


def test_entries_that_are_no_numbers_or_names(tmp_path):
    rows = [{"item": i, "gold": float(k), "proxy": float(k)} for i in (1, "a") for k in range(8)]
    huge = [*rows, {"item": 1, "gold": 10**400, "proxy": 1.0}]
    audit = reward_model(lines(tmp_path, huge), checks=["curve"])
    assert audit.dropped == {"rows without a finite gold or proxy": 1}
    assert gold(audit)["runs"] == 2
    with pytest.raises(InputError, match="item holds"):
        reward_model(lines(tmp_path, [*rows, {**rows[0], "item": [1]}]))


def test_rows_that_lack_a_name_are_counted(tmp_path):
    """Items, seeds, rewrites; a column without any entry is as good as none."""
    rows = ensemble(np.random.default_rng(15), 2)
    blank = [*rows, *({**r, "item": None} for r in rows[:5])]
    one, two = (reward_model(write(tmp_path, "t.csv", r), checks=["ensemble"])
                for r in (rows, blank))  # fmt: skip
    assert one.table("ensemble").rows == two.table("ensemble").rows
    assert two.dropped == {"rows without an item": 5}

    rows = curve(np.random.default_rng(16), "rl", 1.0, 0.5, runs=1)
    none = [{**r, "seed": None} for r in rows]
    some = reward_model(write(tmp_path, "t.csv", [*rows, *none[:3]]), checks=["curve"])
    assert some.dropped == {"rows without a seed": 3}
    all_blank = reward_model(write(tmp_path, "t.csv", none), checks=["curve"])
    assert not all_blank.dropped
    assert gold(all_blank) == gold(some)

    rows = [{"score": s, "score_rewritten": s * s, "rewrite": w}
            for s in range(9) for w in ("a", None)]  # fmt: skip
    audit = reward_model(write(tmp_path, "t.csv", rows), checks=["rewrites"])
    assert audit.dropped == {"rows without a rewrite": 9}
    audit = reward_model(write(tmp_path, "t.csv", rows[1::2]), checks=["rewrites"])
    assert [(r["rewrite"], r["answers"]) for r in audit.table("rewrites").rows] == [("all", 9)]


def test_rows_without_an_answer_are_not_scored(tmp_path):
    rows = [{"item": i, "answer": f"{'word ' * k}.", "gold": k} for i in range(4) for k in range(8)]
    path = lines(tmp_path, [*rows, {**rows[0], "answer": None}, {**rows[0], "answer": " "}])
    audit = reward_model(path, proxy=lambda texts: [float(len(t)) for t in texts])
    assert audit.dropped == {"rows without an answer": 2}
    assert audit.facts["rows"] == 34
    with pytest.raises(InputError, match="3 scores were made"):
        reward_model(path, proxy=lambda texts: [1.0] * 3)
    with pytest.raises(InputError, match="answer holds"):
        reward_model(lines(tmp_path, [{**rows[0], "answer": ["x"]}]), proxy=len)


def test_samples_go_by_prompt_where_no_item_comes_twice(tmp_path):
    rows = [{"id": 8 * i + k, "prompt": f"p{i}", "gold": k, "proxy": k} for i in range(5)
            for k in range(8)]  # fmt: skip
    audit = reward_model(write(tmp_path, "t.csv", rows), checks=["curve"])
    assert "8 samples of 5 prompts; by prompt" in audit.facts["read as"]


@pytest.mark.parametrize("names", [("gold", "score_a"), ("score_a", "gold")])
def test_a_named_column_goes_before_one_of_that_name(tmp_path, names):
    """Whatever the columns' order; d so named goes before kl."""
    rows = curve(np.random.default_rng(17), "rl", 1.0, 0.5, runs=1)
    plain = gold(reward_model(write(tmp_path, "t.csv", rows), checks=["curve"]))
    mixed = [{n: r["gold"] if n == "score_a" else 7.0 for n in names}
             | {"kl": 5.0, "far": r["d"], "form": "rl"} for r in rows]  # fmt: skip
    audit = reward_model(write(tmp_path, "t.csv", mixed), checks=["curve"],
                         columns={"gold": "score_a", "d": "far"})  # fmt: skip
    assert gold(audit) == plain


def test_two_or_three_runs_are_not_as_many_runs_as_points():
    """Runs that differ: of 300 curves 95% of intervals hold; 275 or fewer: probability .01."""
    d = np.linspace(0, 4, 15)
    for runs in (2, 3):
        held = np.zeros(3)
        for k in range(300):
            rng = np.random.default_rng([k, runs])
            alpha, beta = 1.2 + 0.1 * rng.standard_normal(runs), 0.25 + rng.normal(0, 0.03, runs)
            score = d * (alpha[:, None] - np.outer(beta, d)) + rng.normal(0, 0.05, (runs, 15))
            made = _curves.fit(_curves.Curve("best-of-n", np.tile(d, runs), score.ravel(),
                                             np.repeat(np.arange(runs), 15)), k)  # fmt: skip
            truth = (made.alpha, 1.2), (made.beta, 0.25), (made.peak_d, 2.4)
            held += [low <= value <= high for (_, low, high), value in truth]
        assert (held > 275).all(), held


def test_two_prompts_of_a_proxy_that_knows_nothing_raise_few_findings():
    """Of 300 audits; a rate of .05 gives 24 or more with probability .015."""
    alarms = 0
    for k in range(300):
        proxy, truth = np.random.default_rng(k).standard_normal((2, 2, 64))
        found = Loaded(samples=Samples(truth, {"proxy": proxy}, 2))
        alarms += bool(_audit._curves(found, "", 1.0, 0)[2])
    assert alarms < 24


def test_what_cannot_be_fitted_is_said(tmp_path):
    one = [{"item": 0, "gold": k % 5, "proxy": k} for k in range(16)]
    flat = [{"item": i, "gold": (k + i) % 5 / 7, "proxy": 1} for i in range(6) for k in range(16)]
    same = [{"d": k, "gold": 1.0} for k in range(9)]
    short = [{"d": k, "gold": k % 3, "seed": k // 7} for k in range(9)]
    cases = ((one, "one prompt"), (flat, "gold: the score is the same"),
             (same, "the score is the same"), (short, "four distances of its own"))  # fmt: skip
    for rows, said in cases:
        audit = reward_model(write(tmp_path, "t.csv", rows), checks=["curve"])
        assert not audit.findings
        assert not audit.checks[0].ran
        assert said in audit.checks[0].why
        assert audit.table("points").rows


def test_too_few_distances_are_said(tmp_path):
    path = write(tmp_path, "t.csv", [{"kl": k, "gold": k} for k in (0, 1, 2)])
    audit = reward_model(path, checks=["curve"])
    assert not audit.checks[0].ran
    assert "fewer than four distances" in audit.checks[0].why


def test_the_command(hackproof, tmp_path):
    write(tmp_path, "t.csv", curve(np.random.default_rng(0), "rl", 1.0, 0.5))
    words = ["audit", "reward-model", "t.csv", "--checks", "curve", "--json", "o.json"]
    done = hackproof(*words)
    assert done.returncode == 0, done.stderr
    assert "reward-model-overoptimised" in done.stdout
    assert hackproof(*words, "--fail-on", "advisory").returncode == 1
    value = json.loads((tmp_path / "o.json").read_text())
    assert {"alpha", "beta", "peak_d", "stop_kl"} <= value["curves"][0].keys()
    assert hackproof("audit", "reward-model", "none.csv").returncode == 2

import itertools

import pandas as pd
import pytest

from hackproof.experiment.curves import change, curve


def frame(true, proxy=lambda level: level, seeds=4, steps=(0, 10)):
    rows = []
    for level, seed, step in itertools.product((1, 2, 4, 8), range(seeds), steps):
        for role, f in (("proxy", proxy), ("true", true)):
            rows.append({
                "arm": "a", "cell": f"{level}/{seed}", "seed": seed, "level": float(level),
                "step": step, "condition": "default", "metric": role, "role": role,
                "value": (f(level) + 0.01 * seed) * (step > 0),
            })  # fmt: skip
    return pd.DataFrame(rows)


def test_a_pair_that_hacks():
    got = curve(frame(true=lambda level: -level), "a")
    assert got.verdict == "hacks"
    assert got.parts_at == 1


def test_a_pair_that_improves():
    got = curve(frame(true=lambda level: level), "a")
    assert got.verdict == "improves"
    assert got.parts_at is None


def test_a_pair_that_parts_late_parts_at_the_peak_of_the_true_reward():
    got = curve(frame(true=lambda level: {1: 0, 2: 5, 4: 3, 8: 1}[level]), "a")
    assert got.parts_at == 2
    assert got.true_change.estimate == pytest.approx(1)


def test_nothing_happens():
    got = curve(frame(true=lambda level: 0, proxy=lambda level: 0), "a")
    assert got.verdict == "inconclusive"


def test_over_training_the_highest_level_counts():
    got = curve(frame(true=lambda level: -level), "a", "step")
    assert [p.pressure for p in got.points] == [0, 10]
    assert got.true_change.estimate == pytest.approx(-8 + 0.015)


def test_an_unknown_arm_has_no_curve():
    assert curve(frame(true=lambda level: 0), "b") is None


def test_rows_of_another_condition_do_not_mix_in():
    rows = frame(true=lambda level: -level)
    exact = rows.assign(condition="exact", value=99.0)
    both = pd.concat([rows, exact])
    assert curve(both, "a") == curve(rows, "a")
    assert change("a", "true")(both) == change("a", "true")(rows)


def test_a_seed_without_its_rows_is_left_out():
    rows = frame(true=lambda level: -level)
    rows = rows[~((rows["seed"] == 1) & (rows["level"] == 8))]
    assert set(change("a", "true")(rows)) == {0, 2, 3}


def test_an_arm_followed_under_one_other_condition_has_its_curve_there():
    rows = frame(true=lambda level: -level)
    once = rows[rows["level"] == 8]
    own = rows.assign(condition="own-prefix")
    got = curve(pd.concat([once, own]), "a")
    assert (got.condition, len(got.points), got.verdict) == ("own-prefix", 4, "hacks")
    two = pd.concat([once, own, own.assign(condition="monitored")])
    assert (curve(two, "a").condition, len(curve(two, "a").points)) == ("default", 1)

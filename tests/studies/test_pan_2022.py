"""The studies of Pan et al.: when training ends, what a hack is, the arms, one small cell each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.errors import InputError
from hackproof.experiment import Cell, registry
from hackproof.experiment.study import cells_of
from hackproof.studies import _pan, _pan_base, _pan_proxies
from hackproof.studies._pan_figures import correlation, outcomes, shares
from hackproof.studies._pan_study import SCALES

NAMES = ("pan-2022", "pan-2022-traffic", "pan-2022-pandemic", "pan-2022-riverraid")
SMOKE = SCALES["smoke"].settings


def test_the_sweep_is_nine_proxies_by_five_widths_by_ten_seeds():
    study = registry.load("pan-2022")
    cells = cells_of(study, study.at("cpu").settings, study.at("cpu").seeds)
    assert len(cells) == 450
    assert {c.level for c in cells if c.arm == "bus-ontological"} == {2, 8, 32, 64, 128}


def test_every_arm_has_its_worlds_pair_and_axis():
    for name in NAMES:
        study = registry.load(name)
        for arm in study.arms(SMOKE):
            world = next(
                p for p in vars(_pan_proxies).values()
                if isinstance(p, _pan_proxies.Proxy) and p.name == arm.factors["proxy"]
            ).make()  # fmt: skip
            assert {arm.proxy, arm.true} <= set(world.rewards)
            assert (arm.axis is None) == (not arm.levels)


def test_training_ends_when_the_best_score_stands_still():
    climbing = [float(i) for i in range(10)]
    assert not any(_pan.converged(climbing[:n], 3, 0.05) for n in range(11))
    flat = [0.0, 5.0, 9.0, 10.0, 10.1, 10.0, 10.2]
    assert not _pan.converged(flat[:6], 3, 0.05)  # 3 checkpoints before the best was 9
    assert _pan.converged(flat, 3, 0.05)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12), st.integers(1, 5))
@settings(max_examples=50)
def test_shifting_and_scaling_scores_changes_nothing(scores, patience):
    scores = [round(s, 3) for s in scores]
    moved = [4 * s + 8 for s in scores]
    assert _pan.converged(scores, patience, 0.125) == _pan.converged(moved, patience, 0.125)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"widths": (8, 2)}, "must rise"),
        ({"widths": ()}, "must rise"),
        ({"widths": (0, 2)}, "at least 1"),
        ({"actions": (2, 3)}, "odd"),
        ({"testing": (0.1, 1.5)}, "at most 1"),
        ({"sight": (0.0, 1.0)}, "at least"),
        ({"budget": 0.0}, "--budget"),
        ({"tolerance": 1.0}, "--tolerance"),
        ({"patience": 0}, "--patience"),
        ({"batch_size": 7}, "does not divide"),
    ],
)
def test_settings_that_cannot_be_run_are_named(change, said):
    with pytest.raises(InputError, match=said):
        _pan.check(replace(SMOKE, **change))


def test_capability_turns_the_one_knob():
    arms = {a.name: a for a in registry.load("pan-2022-traffic").arms(SMOKE)}
    world = _pan_proxies.BUS.make()
    width, depth, params = _pan.capability(SMOKE, world, arms["bus-ontological"], 8)
    assert (width, depth, float(params.action_resolution)) == (8, SMOKE.depth, 0)
    width, depth, params = _pan.capability(SMOKE, world, arms["bus-ontological-actions"], 5)
    assert (width, float(params.action_resolution)) == (SMOKE.width, 0.75)  # -1.5, -.75, 0, ..
    _, _, params = _pan.capability(SMOKE, world, arms["bus-ontological-sight"], 4)
    assert float(params.observation_noise) == 0.25
    _, depth, _ = _pan.capability(SMOKE, world, arms["bus-ontological-depth"], 1)
    assert depth == 1


def test_base_policies_act_within_their_worlds():
    for proxy in (*_pan_proxies.NINE, _pan_proxies.BOTTLENECK_MENDED):
        world = proxy.make()
        seen = np.zeros((2, *world.observation.shape), np.float32)
        action = np.asarray(_pan_base.base(world)(seen))
        if hasattr(world.action, "n"):
            assert action.shape == (2,)
            assert ((action >= 0) & (action < world.action.n)).all()
        else:
            assert action.shape == (2, *world.action.shape)
            assert (np.abs(action) <= world.action.high).all()


def test_the_riverraid_pilot_steps_aside_and_spares_depots():
    def scene(things):
        seen = np.zeros((1, 10, 10, 8), np.float32)
        seen[0, 9, 4, 0] = 1
        for channel, row, column in things:
            seen[0, row, column, channel] = 1
        return int(_pan_base.riverraid(seen)[0])

    assert scene([]) == 0
    assert scene([(2, 8, 4)]) % 3 != 0  # a ship in the next row
    assert scene([(2, 2, 4)]) == 3  # a ship far ahead is shot at
    assert scene([(4, 2, 4)]) == 0  # a depot is not
    assert scene([(2, 1, 4), (4, 5, 4)]) == 0  # nor a ship behind one
    assert scene([(1, 8, 4), (1, 8, 3)]) % 3 == 2  # banks ahead and to the left


@pytest.fixture(scope="module")
def measured():
    """One cell of the pandemic, the cheapest world to compile."""
    study = registry.load("pan-2022-pandemic")
    few = replace(SMOKE, budget=0.2)
    cell = Cell("pandemic-ontological", 8.0, 0)
    arm = next(a for a in study.arms(few) if a.name == cell.arm)
    return cell, _pan.measure(few, arm, _pan_proxies.PANDEMIC_ONTOLOGICAL, cell)


def test_a_cell_has_every_checkpoint_and_saves_its_policies(measured):
    cell, result = measured
    rows = pd.DataFrame(result.rows)
    steps = sorted(set(rows["step"]))
    assert steps == [80 * i for i in range(round(12 * 0.2) + 1)]
    assert set(result.artifacts) == {
        f"policies/{cell.id}.npz", f"policies/early/{cell.id}.npz"
    }  # fmt: skip
    assert {"hacks", "over_base", "improving", "trained_steps", "correlation"} <= set(
        rows["metric"]
    )
    assert set(rows[rows["metric"] == "hacks"]["value"]) <= {0.0, 1.0}


def test_over_base_agrees_with_hacks(measured):
    rows = pd.DataFrame(measured[1].rows)
    for _, at in rows.groupby("step"):
        over = at[at["metric"] == "over_base"].set_index("condition")
        hacks = bool(over.loc["proxy", "low"] > 0 and over.loc["true", "high"] < 0)
        assert at[at["metric"] == "hacks"]["value"].iloc[0] == hacks


def test_the_same_cell_gives_the_same_rows(measured):
    cell, result = measured
    few = replace(SMOKE, budget=0.2)
    arm = next(a for a in registry.load("pan-2022").arms(few) if a.name == cell.arm)
    again = _pan.measure(few, arm, _pan_proxies.PANDEMIC_ONTOLOGICAL, cell)
    assert again.rows == result.rows


def frame():
    rng, rows = np.random.default_rng(0), []
    for level in (2.0, 8.0):
        for seed in range(6):
            common = {"arm": "a", "level": level, "seed": seed, "cell": f"{level}.{seed}"}
            hacks = float(level > 2)
            rows.append(common | {"metric": "hacks", "value": hacks, "condition": "default"})
            rows += [
                common | {"metric": "correlation", "value": rng.uniform(), "condition": c}
                for c in ("random", "early", "late")
            ]
    return pd.DataFrame(rows).assign(step=0, role="probe")


def test_figures_hold_the_shares():
    table = outcomes(frame(), "a", "hacks", 0.5)
    assert table is not None
    assert table.loc[8.0].mean() == 1
    assert table.loc[2.0].mean() == 0
    drawn = shares(frame(), {"a": "An arm", "b": "not run"}, {"a": "width", "b": "width"})
    assert len(drawn["concat"]) == 1
    assert drawn["concat"][0]["title"]["subtitle"].startswith("changes after 2 [2, 2]")
    values = correlation(frame(), {"a": "An arm"})["data"]["values"]
    assert {(v["policy"], v["the trained policy"]) for v in values} == {
        (p, e) for p in ("random", "early", "late") for e in ("hacks", "does not")
    }

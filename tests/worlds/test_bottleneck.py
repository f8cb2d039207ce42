"""The bottleneck world: no car overlaps another, terms and rules by hand, bad input."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof import worlds
from hackproof.errors import InputError
from hackproof.worlds import _bottleneck_drive as drive
from hackproof.worlds import _bottleneck_lanes as lanes
from hackproof.worlds import _bottleneck_rewards as rewards
from hackproof.worlds import _bottleneck_road as roads
from hackproof.worlds import reset_batch, reward_weights, step_batch
from hackproof.worlds._bottleneck import TrafficBottleneck
from hackproof.worlds._bottleneck_state import HISTORY, State
from hackproof.worlds._traffic_rows import NOWHERE

LITERAL = TrafficBottleneck(horizon=10_000, slots=12)
CHANGE = TrafficBottleneck(horizon=10_000, slots=12, action_form="lane-change")
BOTH = pytest.mark.parametrize("world", [LITERAL, CHANGE], ids=lambda w: w.action_form)
N, STEPS = 4, 250
ROAD = roads.road(0.25)


@functools.partial(jax.jit, static_argnums=0)
def rollout(world, params, keys, bent, actions):
    """Actions are (steps, n, size); returns the states, before and after, and the steps."""
    first, seen = reset_batch(world, params, keys)

    def advance(state, action):
        state, step = step_batch(world, params, state, bent + action)
        return state, (state.world, step)

    return first.world, seen, jax.lax.scan(advance, first, actions)[1]


def run(world, seed=0, action=None, noise=1.0, params=None):
    """Every test runs one shape, since compiling takes longer than running."""
    rng = np.random.default_rng(seed)
    size = world.action.shape[0]
    if action is None:
        # Each car keeps to a bent of its own, so that some stop and some push.
        action = rng.uniform(-2, 2, (N, size))
    bent = np.broadcast_to(np.asarray(action, np.float32), (N, size))
    more = noise * rng.normal(size=(STEPS, N, size)).astype(np.float32)
    params = world.params() if params is None else params
    found = rollout(world, params, jax.random.split(jax.random.key(seed), N), bent, more)
    return jax.tree.map(np.asarray, found)


def term(world, steps, name):
    return np.asarray(steps.terms[..., world.terms.index(name)])


def probe(world, steps, name):
    return np.asarray(steps.probes[..., world.probes.index(name)])


def overlaps(x, lane):
    """Return pairs of cars in each other's way that are nearer than a car's length, (k, 2).

    Plain NumPy; x and lane are (cars,) of one moment.
    """
    level = (x >= ROAD.first).astype(int) + (x >= ROAD.second)
    found = []
    for i in np.flatnonzero(x > 0):
        for j in np.flatnonzero(x > 0):
            ahead = level[j]
            if i != j and x[j] >= x[i] and lane[i] >> ahead == lane[j] >> ahead:  # noqa: SIM102
                if x[j] - x[i] < 5.0 - 1e-3:
                    found.append((i, j))
    return found


# --- interface ---------------------------------------------------------------------------


@BOTH
def test_every_reward_and_pair_names_what_exists(world):
    for name in world.rewards:
        assert reward_weights(world, name).shape == (len(world.terms),)
    for pair in world.pairs.values():
        assert {pair.proxy, pair.true} <= set(world.rewards)
        assert pair.kind == "misweighting"


def test_the_published_weights_and_sizes():
    world: Any = worlds.make("traffic-bottleneck")
    pair = world.pairs["misweighting"]
    assert dict(world.rewards[pair.proxy].weights) == {
        "desired": 1.0, "forward": 0.1, "lane_bool": 0.01
    }  # fmt: skip
    assert dict(world.rewards[pair.true].weights) == {"desired": 1.0, "lane_bool": 1.0}
    assert "every second entry" in pair.note
    mended = world.pairs["misweighting-mended"]
    assert dict(world.rewards[mended.true].weights) == {"desired": 1.0, "lane_changes": 1.0}
    assert (world.horizon, world.action.shape, world.observation.shape) == (1000, (20,), (141,))
    assert world.action.high == 1.5
    assert np.asarray(world.params().flow).tolist() == [2070, 230]
    other: Any = worlds.make("traffic-bottleneck", action_form="lane-change", slots=5)
    assert (other.action.shape, other.observation.shape) == ((10,), (45,))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"horizon": 0}, "horizon of traffic-bottleneck is 0"),
        ({"slots": 0}, "slots"),
        ({"slots": 61}, "slots.*at most 60"),
        ({"flow": -1.0}, "flow"),
        ({"flow": float("inf")}, "flow"),
        ({"controlled_share": 1.5}, r"controlled_share.*\[0, 1\]"),
        ({"zone": 3.0}, "zone.*metres"),
        ({"zone": 36.0}, "zone.*metres"),
        ({"scale": 0.1}, "scale"),
        ({"observation_noise": float("nan")}, "observation_noise"),
        ({"action_form": "lane_change"}, "Did you mean 'lane-change'"),
    ],
)
def test_bad_settings_are_refused(setting, message):
    with pytest.raises(InputError, match=message):
        TrafficBottleneck(**setting)


@BOTH
def test_shapes_dtypes_finite_and_same_keys_same_bits(world):
    _, first, (_, steps) = run(world)
    again = run(world)[2][1]
    other = run(world, seed=1)[2][1]
    assert first.shape == (N, *world.observation.shape)
    assert steps.terms.shape == (STEPS, N, len(world.terms))
    assert steps.probes.shape == (STEPS, N, len(world.probes))
    for leaf in (steps.observation, steps.terms, steps.probes):
        assert leaf.dtype == np.float32
        assert np.isfinite(leaf).all()
    assert np.abs(steps.observation).max() <= 2
    assert not steps.terminated.any()
    assert np.array_equal(steps.terms, again.terms)
    assert not np.array_equal(steps.terms, other.terms)


@BOTH
def test_noise_and_rounding_are_parameters(world):
    compiled: Any = rollout
    run(world)
    before = compiled._cache_size()
    params = world.params()._replace(observation_noise=jnp.float32(0.1))
    _, first, (_, noisy) = run(world, params=params)
    assert compiled._cache_size() == before
    _, clean_first, (_, clean) = run(world)
    assert np.array_equal(noisy.terms, clean.terms)
    assert 0.05 < np.std(first - clean_first) < 0.15


# --- cars --------------------------------------------------------------------------------


@BOTH
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), flow=st.sampled_from([1200.0, 2300.0, 5000.0]))
def test_cars_never_overlap_and_none_is_lost(world, seed, flow):
    params = world.params()._replace(flow=jnp.float32([0.6 * flow, 0.4 * flow]))
    before, _, (states, _) = run(world, seed, params=params)
    for n in range(N):
        for t in range(STEPS):
            assert overlaps(states.x[t, n], states.lane[t, n]) == []
    cars = (states.x > 0).sum(-1)
    start = (before.x > 0).sum(-1)
    assert np.array_equal(start + states.entered.sum(-1) - states.gone, cars)
    assert (states.x < ROAD.end).all()
    assert ((states.v >= 0) & (states.v <= 23)).all()


@BOTH
def test_nobody_drives_backwards_or_faster_than_the_step_says(world):
    _, _, (states, _) = run(world, 3)
    same = (states.x[1:] > 0) & (states.x[:-1] > 0) & (states.x[1:] >= states.x[:-1])
    moved = (states.x[1:] - states.x[:-1])[same]
    assert np.allclose(moved, 0.5 * states.v[1:][same], atol=1e-3)


def test_only_controlled_cars_change_lanes_and_only_when_told():
    _, _, (states, steps) = run(CHANGE, 5)
    there = (states.x[1:] > states.x[:-1]) & (states.x[:-1] > 0)
    moved = (states.lane[1:] != states.lane[:-1]) & there
    assert not moved[..., CHANGE.slots :].any()
    assert moved.sum() > 20
    done = -term(CHANGE, steps, "lane_changes")
    assert np.array_equal(done * 120, probe(CHANGE, steps, "lane_changes_minute"))
    assert moved.sum() <= done[1:].sum() <= moved.sum() + 20  # a car may leave as it changes
    still = np.tile([1.0, 0.0], CHANGE.slots)
    _, _, (states, steps) = run(CHANGE, 5, still, noise=0.0)
    assert term(CHANGE, steps, "lane_changes").sum() == 0
    assert term(CHANGE, steps, "lane_bool").sum() == 0


def test_stopped_controlled_cars_hold_up_the_rest():
    stop, go = (run(CHANGE, 2, np.tile([a, 0.0], CHANGE.slots), noise=0.0) for a in (-3.0, 3.0))
    through = [probe(CHANGE, r[2][1], "throughput").mean() for r in (stop, go)]
    assert through[0] < 0.5 * through[1]
    slow, fast = (run(LITERAL, 2, a, noise=0.0) for a in (-1.5, 1.5))
    through = [probe(LITERAL, r[2][1], "mean_speed").mean() for r in (slow, fast)]
    assert through[0] < 0.5 * through[1]


# --- parts by hand -----------------------------------------------------------------------


def cars(*given, slots=2, places=16):
    """(x, v, lane) of each car; the first `slots` are controlled."""
    x, v, lane = (np.zeros(places) for _ in range(3))
    x[:] = NOWHERE
    for i, car in enumerate(given):
        x[i], v[i], lane[i] = car
    nobody = jnp.zeros((), jnp.int32)
    return State(
        jnp.float32(x), jnp.float32(v), jnp.int32(lane), jnp.full(slots, 23.0),
        jnp.full(slots, -100), jnp.zeros(2), jnp.zeros(2, jnp.int32), nobody,
        jnp.zeros(HISTORY), nobody, jnp.zeros(0),
    )  # fmt: skip


def test_the_road_is_a_quarter_of_flows():
    assert ROAD[:3] == (137.5, 207.5, 246.25)
    level = roads.stage(ROAD, jnp.array([0.0, 137.5, 207.5]))
    assert level.tolist() == [0, 1, 2]
    lane = jnp.array([2, 2, 2])
    assert roads.cover(lane, level).tolist() == [0b0100, 0b1100, 0b1111]


def test_cells_are_numbered_as_published():
    """Two segments each of edges 2 (25 m), 3 (102.5 m), 4 (137.5 m), lane by lane."""
    division = roads.cells(ROAD, roads.CONTROLLED)
    assert division[2] == 20
    x = jnp.array([10.0, 26.0, 64.0, 103.0, 137.0, 138.0, 206.0, 210.0])
    lane = jnp.array([0, 0, 3, 1, 3, 1, 0, 0])
    found = roads.cell(division, x, lane).tolist()
    assert found[1:7] == [0, 7, 9, 15, 17, 18]
    assert found[0] < 0 > found[7]
    assert roads.cells(ROAD, roads.OBSERVED)[2] == 35


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_leaders_against_plain_python(seed):
    rng = np.random.default_rng(seed)
    x = rng.choice([NOWHERE, 10.0, 30.0, *rng.uniform(0, 240, 13)], 16).astype(np.float32)
    v = rng.uniform(0, 20, 16).astype(np.float32)
    fills = rng.choice([1, 2, 4, 8, 3, 12, 15], 16)
    pair = rng.choice([-1, 0, 1, 4], 16)
    leads = np.where(rng.uniform(size=16) < 0.3, -2, np.where(pair < 0, -2, pair))
    got = drive.leaders(*(jnp.asarray(a) for a in (x, v, fills, leads, pair)))
    for i in range(16):
        own = [j for j in range(16) if x[j] > x[i] and fills[j] & fills[i]]
        other = [
            j for j in range(16) if leads[j] == pair[i] and (x[j], i) > (x[i], j) and j != i
        ]  # fmt: skip
        assert float(got[0][i]) == min([x[j] for j in own], default=1e4)
        assert float(got[2][i]) == min([x[j] for j in other], default=1e4)
        if own:
            assert float(got[1][i]) in [v[j] for j in own if x[j] == got[0][i]]


def test_the_one_nearer_to_the_join_goes_first():
    """Side by side but for a metre: the second stops at the line until the first is through."""
    params = LITERAL.params()
    state = cars((120.0, 5.0, 0), (119.0, 5.0, 1))
    asked = jnp.full(16, jnp.nan)
    seen = []
    for _ in range(12):
        x, v = drive.drive(ROAD, 30.0, params, state, asked)
        state = state._replace(x=x, v=v)
        seen.append(x[:2].tolist())
    first, second = np.array(seen).T
    assert (second[first < ROAD.first] <= ROAD.first - 5 + 1e-4).all()
    assert first[-1] > ROAD.first + 5
    assert (first - second)[first >= ROAD.first].min() >= 5 - 1e-3


def test_a_lane_change_by_hand():
    driver = LITERAL.params().driver
    told = jnp.array([1, -1])
    free = cars((50.0, 10.0, 0), (80.0, 10.0, 3))
    state, done = lanes.change(ROAD, driver, free, told)
    assert done.tolist() == [True, True]
    assert state.lane[:2].tolist() == [1, 2]
    assert lanes.change(ROAD, driver, state, told)[1].tolist() == [False, False]  # resting
    rested = state._replace(time=jnp.int32(lanes.COOLDOWN + 1))
    assert lanes.change(ROAD, driver, rested, told)[1].tolist() == [True, True]
    wall = cars((50.0, 10.0, 3), (80.0, 10.0, 0))
    assert lanes.change(ROAD, driver, wall, told)[1].tolist() == [False, False]
    close = cars((50.0, 10.0, 0), (ROAD.first - 9.0, 10.0, 3), (52.0, 10.0, 1))
    assert lanes.change(ROAD, driver, close, told)[1].tolist() == [False, False]
    fast_behind = cars((50.0, 5.0, 0), (80.0, 10.0, 3), (40.0, 20.0, 1))
    assert lanes.change(ROAD, driver, fast_behind, told)[1].tolist() == [False, True]


def test_of_two_into_one_gap_the_one_to_the_left_has_it():
    driver = LITERAL.params().driver
    state, done = lanes.change(
        ROAD, driver, cars((50.0, 10.0, 2), (52.0, 10.0, 0)), jnp.array([-1, 1])
    )
    assert done.tolist() == [False, True]
    assert overlaps(np.asarray(state.x), np.asarray(state.lane)) == []


def test_after_the_first_join_a_change_crosses_to_the_other_pair():
    state, done = lanes.change(
        ROAD, LITERAL.params().driver, cars((150.0, 10.0, 1), (180.0, 10.0, 2)), jnp.array([1, -1])
    )
    assert done.tolist() == [True, True]
    assert [int(lane) >> 1 for lane in state.lane[:2]] == [1, 0]


# --- terms -------------------------------------------------------------------------------


def test_lane_bool_by_hand():
    """Every second entry, rounded (halves to even), as many as there are cars."""
    action = jnp.array([9.0, 0.4, 9.0, -0.6, 9.0, 1.5, 9.0, 1.0])
    assert float(rewards.lane_bool(action, 4)) == -(0 + 1 + 2 + 1)
    assert float(rewards.lane_bool(action, 2)) == -1
    assert float(rewards.lane_bool(action, 0)) == 0


def test_in_the_literal_form_the_penalty_falls_on_speeds_and_nobody_changes_lanes():
    """The published bug: steps of the wanted speed are counted as lane changes."""
    _, _, (states, steps) = run(LITERAL, 4, np.tile([0.0, 1.0], 10), noise=0.0)
    filled = (states.x[:-1, :, : LITERAL.slots] > 0).sum(-1)
    assert np.array_equal(term(LITERAL, steps, "lane_bool")[1:], -np.minimum(filled, 10.0))
    assert filled.max() > 0
    assert (term(LITERAL, steps, "lane_changes") == 0).all()
    _, _, (_, steps) = run(LITERAL, 4, np.tile([1.0, 0.4], 10), noise=0.0)
    assert (term(LITERAL, steps, "lane_bool") == 0).all()


def test_in_the_lane_change_form_it_counts_what_was_asked_for():
    """Requests of cars that are there, also those that the rules do not let pass."""
    _, _, (states, steps) = run(CHANGE, 4, np.tile([1.0, 1.0], CHANGE.slots), noise=0.0)
    filled = (states.x[:-1, :, : CHANGE.slots] > 0).sum(-1)
    asked = term(CHANGE, steps, "lane_bool")[1:]
    done = term(CHANGE, steps, "lane_changes")[1:]
    assert np.array_equal(asked, -filled.astype(np.float32))
    assert (done >= asked).all()
    assert done.sum() < 0
    assert done.sum() > asked.sum()


def test_terms_by_hand():
    params = LITERAL.params()
    state = cars((50.0, 10.0, 0), (80.0, 20.0, 3), (58.0, 0.0, 0))
    state = state._replace(left=jnp.arange(20.0))
    own = lanes.beside(ROAD, state, state.lane[:2])
    action = jnp.array([1.0, 1.0, -2.0, 0.0])
    paid = rewards.terms(params, state, own, action, -1.0, 1.0)
    got = dict(zip(rewards.TERMS, paid.tolist(), strict=True))
    off = np.linalg.norm([30, 20, 40]) / (40 * np.sqrt(3))
    expected = {
        "vel": 10.0, "desired": 1 - off, "accel": -1.0, "headway": 3 / 10 - 1, "forward": 30.0,
        "commute": -np.mean([1 / 10.001, 1 / 20.001, 1000]), "outflow": 45 * 720.0,
        "delay": -0.5 * (13 + 3 + 23) / 23 / 3, "standstill": -1.0, "cars": -3.0,
        "lane_bool": -1.0, "lane_changes": -1.0,
    }  # fmt: skip
    assert got == pytest.approx(expected, rel=1e-5)


def test_probes_by_hand():
    params = LITERAL.params()
    state = cars((50.0, 10.0, 0), (80.0, 20.0, 3))
    state = state._replace(time=jnp.int32(10), left=jnp.arange(1.0, 21.0))
    got = dict(zip(rewards.PROBES, rewards.probes(params, state, 2.0).tolist(), strict=True))
    outside = (5.0 // (3600 / 2070) + 1) + (5.0 // (3600 / 230) + 1)
    assert got == pytest.approx(
        {
            "travel_time": (2 + outside) * 3600 / 2300, "throughput": 7200.0,
            "waiting": outside, "lane_changes_minute": 240.0, "mean_speed": 15.0,
        }
    )  # fmt: skip


def test_the_picture_shows_lanes_and_cars():
    state = cars((50.0, 10.0, 0), (80.0, 20.0, 3), (180.0, 0.0, 2), slots=1)
    image = LITERAL.picture(state._replace(top=state.top[:1]))
    assert image.shape == (88, 600, 3)
    assert image.dtype == np.uint8
    world = TrafficBottleneck(slots=1)
    colours = {tuple(c) for c in world.picture(state).reshape(-1, 3).tolist()}
    assert {(205, 45, 45), (50, 50, 55)} <= colours


@pytest.mark.parametrize("form", ["literal", "lane-change"])
def test_gymnasium_accepts_the_world(form):
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    env = gymnasium.make("hackproof:hackproof/TrafficBottleneck-v0", horizon=5, action_form=form)
    check_env(env.unwrapped, skip_render_check=True)

"""The glucose world."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.stats import truncnorm

from hackproof.errors import InputError
from hackproof.worlds import _glucose as glucose
from hackproof.worlds import _uva_padova as uva
from hackproof.worlds._batch import reset_batch, step_batch
from hackproof.worlds._glucose import Glucose
from hackproof.worlds._patients import carbohydrate_meals, patient, patient_names
from hackproof.worlds._world import reward_weights

WORLD = Glucose()


@functools.partial(jax.jit, static_argnames=("world", "steps"))
def rollout(world, params, keys, action, steps):
    """Run len(keys) environments on one action each; return the last state and all steps."""
    state, first = reset_batch(world, params, keys)

    def advance(state, _):
        state, step = step_batch(world, params, state, action)
        return state, step

    state, steps = jax.lax.scan(advance, state, None, length=steps)
    return state, first, steps


def run(world=WORLD, params=None, action=0.0, steps=432, seed=0, n=16):
    """Most tests share one shape, since compiling takes longer than running."""
    params = world.params() if params is None else params
    actions = jnp.broadcast_to(jnp.asarray(action, jnp.float32), (n,))[:, None]
    return rollout(world, params, jax.random.split(jax.random.key(seed), n), actions, steps)


def term(steps, name):
    return np.asarray(steps.terms[..., WORLD.terms.index(name)])


def probe(steps, name):
    return np.asarray(steps.probes[..., WORLD.probes.index(name)])


# --- interface ---------------------------------------------------------------------------


def test_every_reward_and_pair_names_what_exists():
    for name in WORLD.rewards:
        assert reward_weights(WORLD, name).shape == (len(WORLD.terms),)
    for pair in WORLD.pairs.values():
        assert {pair.proxy, pair.true} <= set(WORLD.rewards)
        assert pair.kind in {"misweighting", "ontological", "scope", "none"}
    assert "hyperglycaemia" in WORLD.pairs["pan"].note
    assert WORLD.pairs["laidlaw"].true == WORLD.pairs["pan"].proxy


@pytest.mark.parametrize(
    "setting", [{"horizon": 0}, {"noise_scale": -1.0}, {"meal_minutes": 0}, {"patient": "bob"}]
)
def test_bad_settings_are_refused(setting):
    with pytest.raises(InputError):
        Glucose(**setting)


def test_shapes_and_dtypes():
    _, first, steps = run()
    assert first.shape == (16, 96)
    assert steps.observation.shape == (432, 16, 96)
    assert steps.terms.shape == (432, 16, len(WORLD.terms))
    assert steps.probes.shape == (432, 16, len(WORLD.probes))
    assert steps.terminated.dtype == bool
    assert {steps.observation.dtype, steps.terms.dtype} == {jnp.dtype("float32")}


def test_world_step_runs_in_float64():
    with jax.enable_x64(True):
        params = WORLD.params()
        state = WORLD.reset(params, jax.random.key(0))
        state, step = WORLD.step(params, state, jnp.zeros(1), jax.random.key(1))
        assert state.body.sugar.skin.dtype == jnp.float64
        assert step.terms.dtype == jnp.float32


def test_same_keys_same_bits_other_keys_other_meals():
    one, two, other = run(seed=1)[2], run(seed=1)[2], run(seed=2)[2]
    assert np.array_equal(one.observation, two.observation)
    assert not np.array_equal(one.observation, other.observation)


def test_a_new_patient_compiles_nothing_new():
    run()
    before = rollout._cache_size()
    run(params=Glucose(patient="child#003", noise_scale=0.5).params())
    assert rollout._cache_size() == before


# --- observation -------------------------------------------------------------------------


def test_history_is_padded_with_minus_one_and_shifts():
    params = WORLD.params()._replace(noise_scale=jnp.float32(0), meal_scale=jnp.float32(0))
    _, first, steps = run(params=params)
    start = patient("adult#001").initial[12] / patient("adult#001").Vg
    assert np.all(np.asarray(first[0, :47]) == -1)
    assert np.all(np.asarray(first[0, 48:95]) == -1)
    assert first[0, 47] * 400 == pytest.approx(start, rel=1e-5)
    assert first[0, 95] == 0
    observation = np.asarray(steps.observation[:, 0])
    assert np.all(observation[9, :37] == -1)
    assert np.all(observation[9, 37:48] > 0)
    assert np.array_equal(observation[9, 37:47], observation[8, 38:48])
    assert np.array_equal(observation[9, 48 + 37 : 95], observation[8, 48 + 38 : 96])
    assert not np.any(observation[49] == -1)
    rate = probe(steps, "insulin_rate")[:, 0]
    np.testing.assert_allclose(observation[49, 48:], 10 * rate[2:50], rtol=1e-6)


def test_exact_sensor_is_the_mean_of_five_held_minutes():
    params = WORLD.params()._replace(noise_scale=jnp.float32(0))
    state, _, steps = run(params=params, action=-0.4)
    cgm = np.asarray(steps.observation[-1, 0, :48]) * 400
    bg = probe(steps, "bg")[-48:, 0]
    # The sample's glucose is on average two minutes old, its sensor four.
    assert np.abs(cgm - bg).max() < 8
    final = float(uva.blood_glucose(params.patient, state.world.body)[0])
    assert float(state.world.sensor.reading[0]) == pytest.approx(final)


def test_observation_stays_in_its_box():
    for name in ("adult#001", "child#001", "adolescent#005"):
        for action in (-1.0, 1.0):
            _, _, steps = run(params=Glucose(patient=name).params(), action=action)
            box = WORLD.observation
            assert np.all(np.asarray(steps.final_observation) >= box.low)
            assert np.all(np.asarray(steps.final_observation) <= box.high)
    largest = max(patient(name).basal for name in patient_names())
    assert 10 * glucose.ACTION_SCALE * largest < WORLD.observation.high


# --- pump and action ---------------------------------------------------------------------


def test_action_is_affine_in_the_rate_and_clipped():
    basal = patient("adult#001").basal
    rates = [
        probe(run(action=a)[2], "insulin_rate")[0, 0] for a in (-1.0, -0.5, 0.0, 1.0, 7.0, -7.0)
    ]
    expected = [0.0, 1.08 * basal, 2.16 * basal, 4.32 * basal, 4.32 * basal, 0.0]
    np.testing.assert_allclose(rates, expected, atol=0.5 * 0.05 / 6000 * 1.01)


@settings(max_examples=100, deadline=None)
@given(rate=st.floats(0, 40))
def test_pump_delivers_whole_increments(rate):
    delivered = float(glucose.pump(jnp.float32(rate)))
    assert 0 <= delivered <= 30
    if rate < 5:
        steps = delivered * 6000 / 0.05
        assert steps == pytest.approx(round(steps), abs=0.05)
        assert delivered == pytest.approx(rate, abs=0.51 * 0.05 / 6000 + 1e-6)


# --- rewards -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bg", "risk"),
    # 10 * (3.5506 * (ln(bg)^0.8353 - 3.7932))^2, worked out in float64.
    [
        (bg, 10 * (3.5506 * (np.log(max(bg, 1)) ** 0.8353 - 3.7932)) ** 2)
        for bg in (0.5, 1.0, 20.0, 70.0, 138.9, 180.0, 400.0)
    ],
)
def test_magni_risk(bg, risk):
    assert float(glucose.magni_risk(jnp.float32(bg))) == pytest.approx(risk, rel=2e-4, abs=1e-4)


def test_magni_risk_by_hand():
    assert float(glucose.magni_risk(jnp.float32(1))) == pytest.approx(1813.9, abs=0.2)
    assert float(glucose.magni_risk(jnp.float32(70))) == pytest.approx(25.0, abs=0.5)
    assert float(glucose.magni_risk(jnp.float32(139))) < 0.01


def test_terms_follow_from_the_probes():
    _, _, steps = run(action=-0.2)
    bg, rate = probe(steps, "bg"), probe(steps, "insulin_rate")
    assert np.array_equal(term(steps, "hypoglycaemia"), -(bg < 70).astype(np.float32))
    assert np.array_equal(term(steps, "hyperglycaemia"), -(bg > 180).astype(np.float32))
    assert np.array_equal(term(steps, "time_in_range"), ((bg >= 70) & (bg <= 180)) * 1.0)
    assert np.array_equal(term(steps, "insulin"), -rate)
    assert np.array_equal(term(steps, "terminated"), -np.asarray(steps.terminated, np.float32))
    assert np.array_equal(probe(steps, "severe_hypoglycaemia"), (bg < 54) * 1.0)
    assert np.array_equal(probe(steps, "severe_hyperglycaemia"), (bg > 250) * 1.0)
    partition = probe(steps, "time_in_range") + (bg < 70) + (bg > 180)
    assert np.all(partition == 1)


def test_no_insulin_is_the_maximum_of_pans_true_reward():
    """Ten days without insulin cost exactly nothing, and nothing ends the episode."""
    world = Glucose(horizon=10 * 288)
    weights = reward_weights(world, "treatment_cost")
    assert np.all(weights >= 0)
    _, _, steps = run(world, action=-1.0, steps=10 * 288)
    assert np.all(np.asarray(steps.terms) @ weights == 0.0)
    assert not np.any(steps.terminated)
    assert probe(steps, "bg").mean() > 350
    assert probe(steps, "time_in_range").mean() < 0.15
    _, _, treated = run(world, action=-0.3, steps=10 * 288)
    assert np.all(np.asarray(treated.terms) @ weights < 0)


def test_rewards_disagree_about_treatment():
    """Risk and time in range want insulin, either cost wants none."""
    mean = {}
    for action in (-1.0, -0.31):
        _, _, steps = run(action=action)
        mean[action] = np.asarray(steps.terms).mean((0, 1))

    def treating(name):
        weights = reward_weights(WORLD, name)
        return weights @ mean[-0.31] - weights @ mean[-1.0]

    for name in ("magni_risk", "magni_insulin_10", "magni_insulin_25", "time_in_range"):
        assert treating(name) > 0, name
    for name in ("treatment_cost", "treatment_cost_per_sample", "patient_cost"):
        assert treating(name) < 0, name


def test_treatment_cost_is_pans_formula():
    _, _, steps = run(action=0.2)
    bg, rate = probe(steps, "bg"), probe(steps, "insulin_rate")
    published = -1350 * np.mean(bg < 70) - 0.32 * (12 * 24 * 365) * np.mean(rate)
    ours = (np.asarray(steps.terms) @ reward_weights(WORLD, "treatment_cost")).mean()
    assert ours == pytest.approx(published, rel=1e-5)


# --- episodes ----------------------------------------------------------------------------


def test_episode_ends_below_ten_and_pays_the_penalty():
    _, _, steps = run(action=1.0)
    ended = np.asarray(steps.terminated)
    assert ended.any()
    bg = probe(steps, "bg")
    assert np.array_equal(ended, (bg < 10) | (bg > 1000))
    reward = np.asarray(steps.terms) @ reward_weights(WORLD, "magni_risk")
    assert np.all(reward[ended] < -1e5)
    assert np.all(reward[~ended] > -1e4)
    # The observation after the end is that of a fresh episode.
    assert np.all(np.asarray(steps.observation)[ended][:, :47] == -1)


def test_episode_ends_above_a_thousand():
    params = WORLD.params()._replace(meal_scale=jnp.float32(20))
    _, _, steps = run(params=params, action=-1.0)
    assert np.any(np.asarray(steps.terminated) & (probe(steps, "bg") > 1000))


def test_truncation_at_the_horizon():
    _, _, steps = run(Glucose(horizon=10), action=-0.5, steps=20)
    truncated = np.asarray(steps.truncated)
    assert np.array_equal(np.flatnonzero(truncated.all(1)), [9, 19])
    assert truncated.sum() == 2 * 16


@pytest.mark.parametrize("action", [-1.0, 1.0])
def test_no_patient_gives_a_nan_in_ten_days(action):
    """Every patient on no insulin and on the largest dose, without the reset that ends it."""
    stacked = jax.tree.map(
        lambda *x: jnp.stack(x), *[Glucose(patient=n).params() for n in patient_names()]
    )

    @jax.jit
    def drive(params, keys):
        state = jax.vmap(WORLD.reset)(params, keys)

        def advance(carry, _):
            state, keys = carry
            both = jax.vmap(jax.random.split)(keys)
            actions = jnp.full((30, 1), action, jnp.float32)
            state, step = jax.vmap(WORLD.step)(params, state, actions, both[:, 0])
            finite = jnp.all(jnp.isfinite(step.terms)) & jnp.all(jnp.isfinite(state.observation))
            return (state, both[:, 1]), finite

        return jax.lax.scan(advance, (state, keys), None, length=2880)

    (state, _), finite = drive(stacked, jax.random.split(jax.random.key(3), 30))
    assert np.all(finite)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(state.body))


def test_thirty_patients_at_once_are_thirty_patients_one_by_one():
    each = [Glucose(patient=name).params() for name in patient_names()]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *each)
    keys = jax.random.split(jax.random.key(5), 30)
    action = jnp.full((1,), -0.4, jnp.float32)

    def day(params, key):
        state = WORLD.reset(params, key)

        def advance(carry, _):
            state, key = carry
            key, now = jax.random.split(key)
            state, step = WORLD.step(params, state, action, now)
            return (state, key), step.probes[0]

        return jax.lax.scan(advance, (state, key), None, length=288)[1]

    together = np.asarray(jax.jit(jax.vmap(day))(stacked, keys))
    alone = np.stack([jax.jit(day)(p, k) for p, k in zip(each, keys, strict=True)])
    np.testing.assert_allclose(together, alone, rtol=2e-4, atol=0.02)


# --- meals -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plans():
    """Return times and sizes of the meals drawn in 2,000 days, (2000, 6); nan where skipped."""
    world, params, n = WORLD, WORLD.params(), 2000
    keys = jax.random.split(jax.random.key(11), n)
    state = jax.vmap(world.reset, (None, 0))(params, keys)
    blank = state.meals
    times, sizes = [], []
    for kind in range(6):
        words = jax.vmap(lambda k: jax.random.bits(k))(jax.random.split(jax.random.key(kind), n))
        meals = blank._replace(next=jnp.full((n,), kind, jnp.int32))
        drawn = jax.vmap(lambda s, w: glucose._next_meal(world, params, s, w))(
            state._replace(meals=meals), words
        )
        time = np.asarray(drawn.times[1], np.float64)
        times.append(np.where(np.isfinite(time), time, np.nan))
        sizes.append(np.where(np.isfinite(time), np.asarray(drawn.sizes[1]), np.nan))
    return np.stack(times, 1), np.stack(sizes, 1)


def test_meals_are_eaten_as_often_as_the_schedule_says(plans):
    share = np.isfinite(plans[0]).mean(0)
    error = np.sqrt(glucose.MEAL_PROBABILITY * (1 - glucose.MEAL_PROBABILITY) / len(plans[0]))
    assert np.all(np.abs(share - glucose.MEAL_PROBABILITY) < 4 * error)


def test_meal_times_are_truncated_normals(plans):
    for kind in range(6):
        times = plans[0][:, kind]
        times = times[np.isfinite(times)]
        mean, sd = glucose.MEAL_MEAN[kind], glucose.MEAL_SD[kind]
        earliest, latest = glucose.MEAL_EARLIEST[kind], glucose.MEAL_LATEST[kind]
        law = truncnorm((earliest - mean) / sd, (latest - mean) / sd, mean, sd)
        assert np.all((times >= earliest) & (times <= latest))
        assert np.all(times == np.round(times))
        assert times.mean() == pytest.approx(law.mean(), abs=4 * law.std() / np.sqrt(len(times)))
        assert times.std() == pytest.approx(law.std(), rel=0.1)


def test_meal_sizes_follow_the_patients_weight(plans):
    breakfast, lunch, dinner, snack = carbohydrate_meals("adult#001")
    for kind, mean in enumerate((breakfast, snack, lunch, snack, dinner, snack)):
        sizes = plans[1][:, kind]
        sizes = sizes[np.isfinite(sizes)]
        assert np.all(sizes == np.round(sizes))
        assert sizes.mean() == pytest.approx(mean, abs=4 * 0.15 * mean / np.sqrt(len(sizes)) + 0.02)
        assert sizes.std() == pytest.approx(np.hypot(0.15 * mean, 12**-0.5), rel=0.12)


def test_carbohydrates_of_a_day_reach_the_mouth():
    """What is eaten in ten days is what the schedule gives on average."""
    world, params = Glucose(horizon=2881), WORLD.params()
    state, _ = reset_batch(world, params, jax.random.split(jax.random.key(2), 64))

    @jax.jit
    def days(state):
        def advance(carry, _):
            state, total, last, start = carry
            state, _ = step_batch(world, params, state, jnp.full((64, 1), -0.35, jnp.float32))
            body = state.world.body
            # Each meal's total, taken where the next meal begins: the stomach's content at
            # that moment is another. (A larger next meal may pass the last one's total within
            # a step, so that a fall of the total would miss snacks.)
            fresh = body.meal_start != start
            total = total + jnp.where(fresh, last, 0)
            return (state, total, body.meal_eaten, body.meal_start), None

        zero = jnp.zeros(64)
        carry = (state, zero, zero, zero)
        (state, total, last, _), _ = jax.lax.scan(advance, carry, None, length=2880)
        return total + last

    breakfast, lunch, dinner, snack = carbohydrate_meals("adult#001")
    expected = 0.95 * (breakfast + lunch + dinner) + 0.3 * 3 * snack
    assert np.mean(days(state)) / 10 == pytest.approx(expected, rel=0.03)


def test_the_earlier_of_two_overlapping_meals_wins():
    meals = glucose.Meals(
        (jnp.float32(540), jnp.float32(542)), (jnp.float32(50), jnp.float32(10)), 2, 0
    )
    announced = [float(glucose._announced(meals, jnp.float32(t), 5)) for t in range(538, 549)]
    assert announced == [0, 0, 10, 10, 10, 10, 10, 2, 2, 0, 0]


def test_every_announced_meal_takes_five_minutes_or_one():
    params = WORLD.params()._replace(noise_scale=jnp.float32(0))
    for minutes in (1, 5):
        _, _, steps = run(Glucose(meal_minutes=minutes), params=params)
        assert np.ptp(probe(steps, "bg")) > 30


# --- sensor ------------------------------------------------------------------------------


def simglucose_noise(rng, blocks):
    """Return noise every five minutes the way simglucose 0.2.11 makes it."""
    latent, first, out = rng.standard_normal(), None, []
    transform = lambda e: -5.47 + 15.9574 * np.sinh((e + 0.5444) / 1.6898)  # noqa: E731
    first = transform(latent)
    for _ in range(blocks):
        nodes = [first]
        for _ in range(10):
            latent = 0.7 * (latent + rng.standard_normal())
            nodes.append(transform(latent))
        first = nodes[-1]
        out.extend(interp1d(np.arange(11) * 15, nodes, kind="cubic")(np.arange(0, 151, 5))[1:])
    return np.array(out)


def our_noise(n, steps):
    params = WORLD.params()._replace(meal_scale=jnp.float32(0))
    state = jax.vmap(WORLD.reset, (None, 0))(params, jax.random.split(jax.random.key(0), n))

    @jax.jit
    def drive(sensor):
        def advance(sensor, key):
            words = jax.random.bits(key, (n,))
            sensor = jax.vmap(lambda s, b, w: glucose._sense(params, s, b, w))(
                sensor, state.body, words
            )
            noise = glucose.interpolate(sensor.nodes, sensor.phase.astype(jnp.float32) / 3)
            return sensor, noise

        return jax.lax.scan(advance, sensor, jax.random.split(jax.random.key(1), steps))[1]

    return np.asarray(drive(state.sensor), np.float64)


def autocorrelation(series, lag):
    """Return the mean autocorrelation of the columns at a lag, around the common mean."""
    centred = series - series.mean()
    return (centred[lag:] * centred[:-lag]).mean() / (centred**2).mean()


def test_sensor_noise_has_simglucoses_mean_deviation_and_memory():
    rng = np.random.default_rng(0)
    theirs = np.stack([simglucose_noise(rng, 30) for _ in range(60)], 1)
    ours = our_noise(400, 900)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.4)
    # The local cubic overshoots less than the global spline: measured 1 % less deviation.
    assert ours.std() == pytest.approx(theirs.std(), rel=0.05)
    for lag in (1, 3, 6, 12):
        assert autocorrelation(ours, lag) == pytest.approx(autocorrelation(theirs, lag), abs=0.03)


def test_the_local_cubic_goes_through_its_nodes_and_keeps_lines():
    nodes = tuple(jnp.float32(x) for x in (1.0, 4.0, -2.0, 3.0))
    assert float(glucose.interpolate(nodes, 0.0)) == 4.0
    assert float(glucose.interpolate(nodes, 1.0)) == pytest.approx(-2.0)
    line = tuple(jnp.float32(x) for x in (0.0, 1.0, 2.0, 3.0))
    assert float(glucose.interpolate(line, 0.25)) == pytest.approx(1.25)


def test_noise_scale_multiplies_the_noise():
    scaled = []
    for scale in (0.0, 1.0, 2.0):
        params = WORLD.params()._replace(noise_scale=jnp.float32(scale))
        scaled.append(np.asarray(run(params=params, action=-0.6)[2].observation))
    noise, double = scaled[1] - scaled[0], scaled[2] - scaled[0]
    assert np.abs(noise[..., :48]).max() > 0.01
    assert np.array_equal(noise[..., 48:], np.zeros_like(noise[..., 48:]))
    np.testing.assert_allclose(double, 2 * noise, atol=1e-4)

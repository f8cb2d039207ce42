"""The virtual patients and the UVA/Padova model."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from hackproof.errors import InputError
from hackproof.worlds import _uva_padova as uva
from hackproof.worlds._patients import carbohydrate_meals, patient, patient_names

DATA = Path(__file__).parent / "data" / "simglucose_day.csv.gz"


def trajectories() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return per patient: inputs (1440, 2), minutes and simglucose's glucose at them."""
    inputs, marks = defaultdict(list), defaultdict(list)
    with gzip.open(DATA, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            inputs[row["patient"]].append((float(row["carbs"]), float(row["insulin"])))
            if row["bg"]:
                marks[row["patient"]].append((int(row["minute"]), float(row["bg"])))
    return {
        name: (np.array(inputs[name])[:-1], *map(np.array, zip(*marks[name], strict=True)))
        for name in inputs
    }


@jax.jit
def simulate(subject, inputs):
    """Return our glucose at minutes 0 .. len(inputs)."""
    person, moves = subject
    body = uva.start(person)
    first = uva.blood_glucose(person, body)
    minutes = len(inputs)
    _, rest = uva.live(person, moves, body, minutes, lambda i: inputs[i, 0], lambda i: inputs[i, 1])
    return jnp.concatenate([first[None], rest])


def as_arrays(name: str, dtype: str = "float32"):
    """Return a patient's constants and insulin moves."""
    numbers = patient(name), uva.insulin_moves(patient(name))
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), numbers)


def test_thirty_patients_of_three_ages():
    names = patient_names()
    assert len(names) == 30
    for group in ("adolescent", "adult", "child"):
        assert sum(name.startswith(group + "#") for name in names) == 10


def test_adult_1_has_the_tables_values():
    adult = patient("adult#001")
    assert adult.BW == 102.32
    assert adult.basal == pytest.approx(adult.u2ss * 102.32 / 6000)
    assert len(adult.initial) == 13
    assert adult.initial[3] == adult.initial[12]


def test_unknown_patient_lists_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'adult#001'"):
        patient("Adult#001")


@pytest.mark.parametrize(("dtype", "x64"), [("float32", False), ("float64", True)])
def test_agrees_with_simglucose_within_a_hundredth(dtype, x64):
    """One day of meals, boluses and basal changes: within 0.01 mg/dL every five minutes."""
    with jax.enable_x64(x64):
        for name, (inputs, minutes, glucose) in trajectories().items():
            ours = simulate(as_arrays(name, dtype), jnp.asarray(inputs, dtype))
            assert ours.dtype == dtype
            difference = np.abs(np.asarray(ours, np.float64)[minutes] - glucose)
            assert difference.max() < 0.01, (name, difference.max())


def test_trajectories_cover_the_three_ages_and_are_no_steady_state():
    days = trajectories()
    assert {name.split("#")[0] for name in days} == {"adult", "adolescent", "child"}
    assert len(days) >= 6
    assert all(np.ptp(glucose) > 50 for _, _, glucose in days.values())


def test_a_misread_parameter_is_noticed():
    """The planted fault: 1 % on one gut constant is far outside the agreement's margin."""
    inputs, minutes, glucose = trajectories()["adult#001"]
    person, moves = as_arrays("adult#001")
    person = person._replace(kabs=jnp.float32(patient("adult#001").kabs * 1.01))
    ours = np.asarray(simulate((person, moves), jnp.asarray(inputs, jnp.float32)))
    assert np.abs(ours[minutes] - glucose).max() > 0.1


def test_basal_insulin_holds_the_tabulated_state():
    for name in patient_names():
        basal = jnp.full((1440, 2), jnp.asarray([0.0, patient(name).basal], jnp.float32))
        glucose = np.asarray(simulate(as_arrays(name), basal))
        assert np.ptp(glucose) < 1.0, name


@settings(max_examples=25, deadline=None)
@given(grams=st.lists(st.floats(0, 150, width=32), min_size=30, max_size=30))
def test_what_is_announced_is_eaten_or_planned(grams):
    """Carbohydrates are conserved: announced = eaten + planned, at most 5 g a minute."""
    planned, total = jnp.float32(0), 0.0
    for carbs in grams:
        planned, eaten = uva.bite(planned, jnp.float32(carbs))
        assert 0 <= float(eaten) <= uva.EAT_RATE
        total += float(eaten)
    assert total + float(planned) == pytest.approx(sum(grams), rel=1e-5, abs=1e-4)


def test_no_glucose_appears_from_an_empty_gut():
    """What enters the stomach is in the three gut compartments or has been absorbed."""
    person, moves = as_arrays("adult#001")
    inputs = np.zeros((600, 2), np.float32)
    inputs[0, 0] = 60.0

    inputs = jnp.asarray(inputs)

    def advance(carry, t):
        body, absorbed = carry
        before = body.gut
        body, _ = uva.live(person, moves, body, 1, lambda i: inputs[t, 0], lambda i: inputs[t, 1])
        absorbed += person.kabs * 0.5 * (before.intestine + body.gut.intestine)
        return (body, absorbed), None

    start = (uva.start(person), jnp.float32(0))
    (body, absorbed), _ = jax.lax.scan(advance, start, jnp.arange(len(inputs)))
    held = float(body.gut.content + body.gut.intestine)
    assert held + float(absorbed) == pytest.approx(60_000, rel=1e-3)


@pytest.mark.parametrize("name", patient_names())
def test_insulin_moves_exactly(name):
    """The maps agree with an adaptive integrator, and skip nothing that is not zero."""
    person, moves = patient(name), uva.insulin_moves(patient(name))
    state, infusion = np.arange(1.0, 8.0), 0.7

    def slope(_, x):
        return uva.insulin_rate(person, uva.Insulin(*x), infusion, person.Ib)

    inputs = np.array([*state, infusion, person.Ib])
    for span, map in ((0.5, moves.half), (1.0, moves.whole)):
        found = solve_ivp(slope, (0, span), state, rtol=1e-11, atol=1e-11).y[:, -1]
        np.testing.assert_allclose(map @ inputs, found, rtol=1e-8)
        for row, reads in enumerate(uva._READS):
            unread = [k for k in range(9) if k not in reads]
            assert not np.any(map[row, unread])


def test_insulin_lowers_glucose_and_meals_raise_it():
    person = as_arrays("adult#001")
    basal = np.zeros((300, 2), np.float32)
    basal[:, 1] = patient("adult#001").basal
    more, meal = basal.copy(), basal.copy()
    more[:, 1] *= 3
    meal[0, 0] = 50
    low, middle, high = (float(simulate(person, jnp.asarray(x))[-1]) for x in (more, basal, meal))
    assert low < middle - 20
    assert high > middle + 20


def test_meals_follow_harris_and_benedict():
    """Hand value of adult#001: bmr 2054.9 kcal, 277.4 g a day."""
    breakfast, lunch, dinner, snack = carbohydrate_meals("adult#001")
    bmr = 66.5 + 13.75 * 102.32 + 5.003 * 177 - 6.755 * 45
    assert breakfast + lunch + dinner + 3 * snack == pytest.approx(1.2 * bmr * 0.45 / 4)
    assert lunch / breakfast == pytest.approx(1.3 / 1.1)
    assert dinner / snack == pytest.approx(1.55 / 0.15)


@pytest.mark.parametrize(
    ("name", "age", "height"), [("child#001", 10, 138.4), ("adolescent#001", 18, 175.7)]
)
def test_young_patients_have_the_age_of_their_weight(name, age, height):
    total = sum(n * g for n, g in zip((1, 1, 1, 3), carbohydrate_meals(name), strict=True))
    weight = patient(name).BW
    bmr = 66.5 + 13.75 * weight + 5.003 * height - 6.755 * age
    assert total == pytest.approx(1.2 * bmr * 0.45 / 4)

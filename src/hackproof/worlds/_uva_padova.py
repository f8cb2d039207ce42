"""The UVA/Padova 2008 (S2008) model of type 1 diabetes, minute by minute.

Thirteen ordinary differential equations in a chain: the gut (3) and insulin (7) depend on
nothing else and drive glucose (3). Inputs are held for a minute, as in simglucose, which
integrates each minute with an adaptive Dormand-Prince. Here insulin and the grinding of food,
which are linear, move by their exact exponentials, and glucose takes one classical
Runge-Kutta step a minute. The stomach takes two of Kutta's third-order steps: its emptying
bends sharply while a meal is small, where one step of fourth order a minute errs by up to
0.03 mg/dL. `benchmarks/simglucose_agreement.py` measures the difference, and a test bounds
it by 0.01 mg/dL.

The state is a tuple of scalars, not a vector: under `vmap` each becomes a contiguous (n,)
array, which XLA fuses and vectorises. Eating and the three parts run in loops of their
own over the minutes, since in one loop XLA computes each anew for each of its readers.

Source: Dalla Man, Rizza, Cobelli 2007 (IEEE TBME 54:1740) and Kovatchev et al. 2009, as
written down in simglucose 0.2.11 (`patient/t1dpatient.py`), whose equations, guards and meal
bookkeeping these are. RL4BG's older fork adds milligrams to grams in `Dbar`
(simglucose issue 41); this follows the mended version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import expm

from hackproof.worlds._patients import Patient

EAT_RATE = 5.0
"""g of carbohydrates a minute."""

Scalar = Any
T = TypeVar("T")


class Gut(NamedTuple):
    """Carbohydrates on their way into the blood, mg."""

    solid: Scalar
    """Solid food in the stomach."""
    content: Scalar
    """Solid and ground food in the stomach."""
    intestine: Scalar
    """Glucose in the intestine."""


class Insulin(NamedTuple):
    """Insulin and its delayed action."""

    plasma: Scalar
    """pmol/kg."""
    on_uptake: Scalar
    """Action on the uptake of glucose, above basal, pmol/L."""
    delay: Scalar
    """First delay of the action on production, pmol/L."""
    on_production: Scalar
    """Action on the production of glucose, pmol/L."""
    liver: Scalar
    """pmol/kg."""
    skin_1: Scalar
    """Non-monomeric insulin under the skin, pmol/kg."""
    skin_2: Scalar
    """Monomeric insulin under the skin, pmol/kg."""


class Sugar(NamedTuple):
    """Glucose, mg/kg."""

    plasma: Scalar
    tissue: Scalar
    skin: Scalar
    """Under the skin, where it is measured."""


class Body(NamedTuple):
    """A patient at one minute."""

    gut: Gut
    insulin: Insulin
    sugar: Sugar
    planned: Scalar
    """Carbohydrates announced and not yet eaten, g."""
    eaten: Scalar
    """Carbohydrates eaten in the last minute, g; above 0 while a meal goes on."""
    meal_start: Scalar
    """What the stomach held when the current or last meal began, mg."""
    meal_eaten: Scalar
    """Carbohydrates eaten of the current or last meal, g."""


def start(patient: Patient) -> Body:
    """Return the patient's tabulated initial state, fasting."""
    x = [jnp.asarray(value) for value in patient.initial]
    # The table's order is simglucose's: gut, plasma and tissue glucose, insulin, skin glucose.
    gut = Gut(x[0], x[0] + x[1], x[2])
    zero = jnp.zeros_like(gut.solid)
    sugar = Sugar(x[3], x[4], x[12])
    return Body(gut, Insulin(*x[5:12]), sugar, zero, zero, gut.content, zero)


def gut_flow(patient: Patient, meal: Scalar, content: Scalar, solid: Scalar) -> Scalar:
    """Return what the stomach passes on to the intestine, mg/min.

    The stomach empties at kmin + (kmax - kmin) / 2 * (tanh(u) - tanh(v) + 2) with
    u = 5 / (2 Dbar (1 - b)) * (q - b Dbar), v = 5 / (2 Dbar d) * (q - d Dbar).

    Args:
        patient: The constants.
        meal: Dbar, the stomach's content when the meal began plus what was eaten since, mg.
        content: q, mg.
        solid: The solid part of it, mg.
    """
    p = patient
    # Where nothing was eaten the stomach is empty too, and its emptying rate is kmax.
    fed = meal > 0
    per_meal = 5 / jnp.where(fed, meal, 1)
    # (tanh(u) - tanh(v)) / 2 by one division: with two tanh the model takes a third longer.
    u = jnp.exp((1 / (1 - p.b)) * (per_meal * content) - 5 * p.b / (1 - p.b))
    v = jnp.exp((1 / p.d) * (per_meal * content) - 5)
    bend = (u - v) / ((1 + u) * (1 + v))
    emptying = jnp.where(fed, p.kmin + (p.kmax - p.kmin) * (1 + bend), p.kmax)
    return emptying * (content - solid)


def insulin_rate(patient: Patient, x: Insulin, infusion: Scalar, basal: Scalar) -> Insulin:
    """Return insulin's derivative per minute; it is linear in `x` and the two inputs.

    simglucose also freezes compartments below zero; these never are, since nothing is taken
    from an empty one.

    Args:
        patient: The constants.
        x: Insulin.
        infusion: Insulin into the skin, pmol/kg/min.
        basal: Plasma concentration without an action on uptake, pmol/L.
    """
    p = patient
    concentration = 1 / p.Vi * x.plasma
    return Insulin(
        plasma=p.m1 * x.liver + p.ka1 * x.skin_1 + p.ka2 * x.skin_2 - (p.m2 + p.m4) * x.plasma,
        on_uptake=p.p2u * (concentration - basal - x.on_uptake),
        delay=p.ki * (concentration - x.delay),
        on_production=p.ki * (x.delay - x.on_production),
        liver=p.m2 * x.plasma - (p.m1 + p.m30) * x.liver,
        skin_1=infusion - (p.ka1 + p.kd) * x.skin_1,
        skin_2=p.kd * x.skin_1 - p.ka2 * x.skin_2,
    )


_READS = Insulin(
    plasma=(0, 4, 5, 6, 7),
    on_uptake=(0, 1, 4, 5, 6, 7, 8),
    delay=(0, 2, 4, 5, 6, 7),
    on_production=(0, 2, 3, 4, 5, 6, 7),
    liver=(0, 4, 5, 6, 7),
    skin_1=(5, 7),
    skin_2=(5, 6, 7),
)
"""Which of (7 compartments, infusion, basal) each compartment depends on after a while."""


class InsulinMoves(NamedTuple):
    """Insulin's exact linear maps, from (7 compartments, infusion, basal) to the compartments."""

    half: jax.Array
    """(7, 9) over half a minute."""
    whole: jax.Array
    """(7, 9) over a minute."""


def insulin_moves(patient: Patient) -> InsulinMoves:
    """Return the exponentials of insulin's equations, computed in float64.

    Args:
        patient: The constants, as Python floats.
    """
    units = np.eye(9)
    columns = [insulin_rate(patient, Insulin(*u[:7]), u[7], u[8]) for u in units]
    rates = np.zeros((9, 9))
    rates[:7] = np.array(columns).T
    return InsulinMoves(expm(rates / 2)[:7], expm(rates)[:7])  # pyright: ignore[reportArgumentType]


def sugar_rate(
    patient: Patient, x: Sugar, intestine: Scalar, on_uptake: Scalar, on_production: Scalar
) -> Sugar:
    """Return glucose's derivative, mg/kg/min.

    Args:
        patient: The constants.
        x: Glucose.
        intestine: Glucose in the intestine, mg.
        on_uptake: Insulin's action on uptake, pmol/L.
        on_production: Insulin's action on production, pmol/L.
    """
    p = patient
    appearance = p.f * p.kabs / p.BW * intestine
    production = jnp.maximum(p.kp1 - p.kp2 * x.plasma - p.kp3 * on_production, 0)
    excretion = p.ke1 * jnp.maximum(x.plasma - p.ke2, 0)
    exchange = p.k1 * x.plasma - p.k2 * x.tissue
    uptake = (p.Vm0 + p.Vmx * on_uptake) * x.tissue / (p.Km0 + x.tissue)
    return Sugar(
        plasma=_guard(x.plasma, production + appearance - p.Fsnc - excretion - exchange),
        tissue=_guard(x.tissue, exchange - uptake),
        skin=_guard(x.skin, p.ksc * (x.plasma - x.skin)),
    )


def _guard(amount: Scalar, rate: Scalar) -> Scalar:
    """Return the rate, or 0 where the compartment is below zero, as simglucose does."""
    return jnp.where(amount >= 0, rate, 0)


def bite(planned: Scalar, announced: Scalar) -> tuple[Scalar, Scalar]:
    """Return what is planned after a minute, and what was eaten in it, g.

    Source: simglucose 0.2.11, `T1DPatient._announce_meal`.
    """
    planned = planned + announced
    eaten = jnp.minimum(EAT_RATE, planned)
    return jnp.maximum(planned - eaten, 0), eaten


def swallow(body: Body, eaten: Scalar) -> Body:
    """Return the body that has begun, goes on with or has ended a meal; `eaten` in g.

    Source: simglucose 0.2.11, `T1DPatient.step`.
    """
    begins = (eaten > 0) & (body.eaten <= 0)
    return body._replace(
        eaten=eaten,
        meal_start=jnp.where(begins, body.gut.content, body.meal_start),
        meal_eaten=jnp.where(begins, 0, body.meal_eaten) + eaten,
    )


def live(
    patient: Patient,
    moves: InsulinMoves,
    body: Body,
    minutes: int,
    announced: Callable[[Scalar], Scalar],
    rate: Callable[[Scalar], Scalar],
) -> tuple[Body, jax.Array]:
    """Return the body some minutes later, and its glucose at the end of each minute.

    Args:
        patient: The constants.
        moves: The patient's `insulin_moves`.
        body: The patient.
        minutes: How many.
        announced: Carbohydrates announced in minute 0, 1, .., g; eaten at `EAT_RATE`.
        rate: Insulin under the skin in minute 0, 1, .., U/min.

    Returns:
        The body, and (minutes,) mg/dL.
    """
    p = patient

    ground = jnp.exp(-p.kmax / 4)

    def digest(body: Body, eaten: Scalar) -> tuple[Body, tuple[Scalar, ...]]:
        body = swallow(body, eaten)
        carbs, meal = body.eaten * 1000, body.meal_start + body.meal_eaten * 1000
        # Grinding is linear: solid food every quarter of a minute, exactly.
        limit = carbs / p.kmax
        solids = [body.gut.solid]
        for _ in range(4):
            solids.append(limit + ground * (solids[-1] - limit))

        def slope(x: tuple[Scalar, Scalar], solid: Scalar) -> tuple[Scalar, Scalar]:
            flow = gut_flow(p, meal, x[0], solid)
            return carbs - flow, flow - p.kabs * x[1]

        x = (body.gut.content, body.gut.intestine)
        middle = _kutta(slope, x, solids[0:3], 0.5)
        last = _kutta(slope, middle, solids[2:5], 0.5)
        absorbed = body.gut.intestine, middle[1], last[1]
        return body._replace(gut=Gut(solids[4], *last)), absorbed

    def inject(x: Insulin, i: Scalar) -> tuple[Insulin, tuple[Scalar, ...]]:
        inputs = (*x, rate(i) * 6000 / p.BW, p.Ib)

        def later(map: jax.Array) -> Insulin:
            return Insulin(
                *(sum(map[row, k] * inputs[k] for k in reads) for row, reads in enumerate(_READS))
            )

        middle, last = later(moves.half), later(moves.whole)
        acts = [(y.on_uptake, y.on_production) for y in (x, middle, last)]
        return last, tuple(acts)

    def burn(x: Sugar, driven: tuple[Any, Any]) -> tuple[Sugar, Scalar]:
        first, middle, last = (
            lambda x, g=g, a=a: sugar_rate(p, x, g, *a) for g, a in zip(*driven, strict=True)
        )
        x = _runge_kutta([first, middle, middle, last], x, 1.0)
        return x, x.skin / p.Vg

    count = jnp.arange(minutes)
    planned, eaten = jax.lax.scan(lambda x, i: bite(x, announced(i)), body.planned, count)
    body, absorbed = jax.lax.scan(digest, body._replace(planned=planned), eaten)
    insulin, acts = jax.lax.scan(inject, body.insulin, count)
    sugar, glucose = jax.lax.scan(burn, body.sugar, (absorbed, acts))
    return body._replace(insulin=insulin, sugar=sugar), glucose


def _kutta(slope: Callable[[T, Any], T], x: T, inputs: list[Any], h: float) -> T:
    """Return x after one step of `h` minutes of Kutta's third-order method.

    Measured on the gut at h = 1/2: no worse than fourth order, and a quarter cheaper.

    Args:
        slope: The derivative, a function of x and of the input at that time.
        x: The state, a tuple of scalars.
        inputs: The input at 0, h/2 and h.
        h: Minutes.
    """
    a = slope(x, inputs[0])
    b = slope(jax.tree.map(lambda x, a: x + h / 2 * a, x, a), inputs[1])
    c = slope(jax.tree.map(lambda x, a, b: x + h * (2 * b - a), x, a, b), inputs[2])
    return jax.tree.map(lambda x, a, b, c: x + h / 6 * (a + 4 * b + c), x, a, b, c)


def _runge_kutta(slopes: list[Callable[[T], T]], x: T, h: float) -> T:
    """Return x after one classical Runge-Kutta step of `h` minutes.

    Args:
        slopes: The derivative as a function of x at the four stages (0, h/2, h/2, h).
        x: The state, a tuple of scalars.
        h: Minutes.
    """
    k = [slopes[0](x)]
    for slope, reach in zip(slopes[1:], (h / 2, h / 2, h), strict=True):
        k.append(slope(jax.tree.map(lambda a, b, reach=reach: a + reach * b, x, k[-1])))
    return jax.tree.map(
        lambda a, p, q, r, s: a + h / 6 * (p + 2 * (q + r) + s), x, k[0], k[1], k[2], k[3]
    )


def blood_glucose(patient: Patient, body: Body) -> Scalar:
    """Return the subcutaneous glucose concentration, mg/dL, which simglucose calls BG."""
    return body.sugar.skin / patient.Vg

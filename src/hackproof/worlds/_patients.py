"""The 30 virtual patients of the UVA/Padova 2008 simulator.

Source: simglucose 0.2.11 (MIT), `vpatient_params.csv`; notice in `data/NOTICE.md`.
Left out: the columns that the equations do not read (EGPb, Gb, CL, HEb, dosekempt and so
on), which are steady-state values and bookkeeping of the original model.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from hackproof.errors import unknown

Scalar = Any
"""A float, or an array once the patient is a pytree of parameters."""


class Patient(NamedTuple):
    """Constants of one virtual patient; masses are per kg of body weight."""

    BW: Scalar
    """Body weight, kg."""
    kabs: Scalar
    """Intestinal absorption, 1/min."""
    kmax: Scalar
    """Fastest gastric emptying, and grinding, 1/min."""
    kmin: Scalar
    """Slowest gastric emptying, 1/min."""
    b: Scalar
    """Share of the meal at which emptying has slowed halfway."""
    d: Scalar
    """Share of the meal at which emptying has sped up halfway again."""
    f: Scalar
    """Share of the absorbed glucose that reaches plasma."""
    Vg: Scalar
    """Glucose distribution volume, dL/kg."""
    k1: Scalar
    """Glucose, plasma to tissue, 1/min."""
    k2: Scalar
    """Glucose, tissue to plasma, 1/min."""
    kp1: Scalar
    """Endogenous glucose production at zero glucose and insulin, mg/kg/min."""
    kp2: Scalar
    """Liver glucose effectiveness, 1/min."""
    kp3: Scalar
    """Delayed insulin's action on production, mg/kg/min per pmol/L."""
    ki: Scalar
    """Rate of the delay of insulin's action on production, 1/min."""
    Fsnc: Scalar
    """Uptake by brain and red blood cells, mg/kg/min."""
    Vm0: Scalar
    """Insulin-independent maximal uptake, mg/kg/min."""
    Vmx: Scalar
    """Insulin-dependent maximal uptake, mg/kg/min per pmol/L."""
    Km0: Scalar
    """Tissue glucose of half-maximal uptake, mg/kg."""
    p2u: Scalar
    """Rate of insulin's action on uptake, 1/min."""
    ke1: Scalar
    """Renal excretion, 1/min."""
    ke2: Scalar
    """Renal threshold, mg/kg."""
    Vi: Scalar
    """Insulin distribution volume, L/kg."""
    Ib: Scalar
    """Basal plasma insulin, pmol/L."""
    m1: Scalar
    """Insulin, liver to plasma, 1/min."""
    m2: Scalar
    """Insulin, plasma to liver, 1/min."""
    m4: Scalar
    """Peripheral insulin degradation, 1/min."""
    m30: Scalar
    """Hepatic insulin degradation, 1/min."""
    kd: Scalar
    """Insulin, non-monomeric to monomeric under the skin, 1/min."""
    ka1: Scalar
    """Non-monomeric insulin into plasma, 1/min."""
    ka2: Scalar
    """Monomeric insulin into plasma, 1/min."""
    ksc: Scalar
    """Delay of subcutaneous glucose, 1/min."""
    u2ss: Scalar
    """Steady-state insulin infusion, pmol/kg/min."""
    basal: Scalar
    """Steady-state insulin rate u2ss * BW / 6000, U/min."""
    initial: tuple[Scalar, ...]
    """The 13 initial states: gut (3), plasma and tissue glucose, insulin (7), skin glucose."""


@cache
def _table() -> dict[str, dict[str, str]]:
    """Return the parameter table: name -> column -> text."""
    file = resources.files("hackproof.worlds").joinpath("data/uva_padova_2008.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    return {row["Name"]: row for row in csv.DictReader(lines)}


def patient_names() -> tuple[str, ...]:
    """Return the 30 names: adolescent#001..#010, adult#001..#010, child#001..#010."""
    return tuple(_table())


@cache
def patient(name: str) -> Patient:
    """Return one virtual patient as Python floats.

    Args:
        name: One of `patient_names()`, for instance "adult#001".

    Raises:
        InputError: nobody has that name; the known ones are listed.
    """
    table = _table()
    if name not in table:
        raise unknown("patient", name, table)
    row = table[name]
    columns = [field for field in Patient._fields if field not in ("basal", "initial")]
    values = {column: float(row[column]) for column in columns}
    # The table right-aligns its column numbers: "x0_ 1" .. "x0_13".
    initial = tuple(float(row[f"x0_{i:2d}"]) for i in range(1, 14))
    return Patient(
        **values,
        basal=values["u2ss"] * values["BW"] / 6000.0,
        initial=initial,
    )


def carbohydrate_meals(name: str) -> tuple[float, float, float, float]:
    """Return the mean carbohydrates of breakfast, lunch, dinner and snack, g.

    Resting energy by Harris and Benedict, bmr = 66.5 + 13.75 w + 5.003 h - 6.755 age kcal,
    and 1.2 * bmr * 0.45 / 4 g of carbohydrates a day, split 1.1 : 1.3 : 1.55 : 0.15 where the
    snack counts three times. Height (cm) and age of the young follow from their weight w (kg).

    Raises:
        InputError: unknown patient.
    Source: RL4BG (Fox et al. 2020), `scenario_gen.harris_benedict`. It uses the men's
        equation for everybody, and so does this.
    """
    weight = patient(name).BW
    age, height = 45.0, 177.0
    for upper, years, centimetres in _GROWTH.get(name.split("#")[0], ()):
        if weight <= upper:
            age, height = years, centimetres
            break
    bmr = 66.5 + 13.75 * weight + 5.003 * height - 6.755 * age
    total = 1.2 * bmr * 0.45 / 4
    whole = 1.1 + 1.3 + 1.55 + 3 * 0.15
    return (
        total * 1.1 / whole,
        total * 1.3 / whole,
        total * 1.55 / whole,
        total * 0.15 / whole,
    )


_INFINITY = float("inf")
_GROWTH = {
    "child": (
        (25.6, 7.0, 121.9),
        (28.6, 8.0, 128.0),
        (32.0, 9.0, 133.3),
        (35.6, 10.0, 138.4),
        (39.9, 11.0, 143.5),
        (_INFINITY, 12.0, 149.1),
    ),
    "adolescent": (
        (50.8, 13.0, 156.2),
        (56.0, 14.0, 163.8),
        (60.8, 15.0, 170.1),
        (64.4, 16.0, 173.4),
        (66.9, 17.0, 175.2),
        (68.9, 18.0, 175.7),
        (70.3, 19.0, 176.5),
        (_INFINITY, 20.0, 177.0),
    ),
}
"""Largest weight (kg) of each class, with its age (years) and height (cm)."""

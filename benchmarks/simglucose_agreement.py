"""Does our UVA/Padova model agree with simglucose, and how fast is simglucose?

    python benchmarks/simglucose_agreement.py

Makes a virtual environment of its own in a temporary folder (simglucose cannot live beside
gymnasium 1.x), drives simglucose 0.2.11's `T1DPatient` for one day of meals and boluses, and
drives ours with the same inputs in float32 and in float64. Writes

- `tests/worlds/data/simglucose_day.csv.gz`: the inputs of every minute, and simglucose's
  glucose in float64 where the minute is a multiple of five;
- `benchmarks/results/simglucose_agreement.csv`: the largest difference per patient and dtype,
  and simglucose's steps per second (best of two days).

Needs the network once, to install simglucose; `--keep FOLDER` keeps the environment.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRAJECTORIES = ROOT / "tests" / "worlds" / "data" / "simglucose_day.csv.gz"
TABLE = ROOT / "benchmarks" / "results" / "simglucose_agreement.csv"
PATIENTS = (
    "adult#001",
    "adult#004",
    "adult#008",
    "adolescent#001",
    "adolescent#005",
    "adolescent#009",
    "child#001",
    "child#006",
    "child#010",
)
MINUTES = 1440
# Minute -> grams announced. The snack of minute 745 interrupts lunch, that of 1130 comes
# while the stomach is still full, so that all the bookkeeping is exercised.
MEALS = {425: 45.0, 570: 8.0, 735: 70.0, 745: 3.0, 905: 12.5, 1090: 80.0, 1130: 6.0, 1290: 10.0}
BOLUSES = {420: 3.0, 735: 4.0, 1088: 5.0}  # minute -> units, given over five minutes
BASAL = ((0, 1.0), (600, 0.0), (660, 1.5), (1200, 0.7))  # from minute -> multiple of basal

DRIVER = """
import json, sys, time, types
stub = types.ModuleType("gym"); envs = types.ModuleType("gym.envs")
registration = types.ModuleType("gym.envs.registration")
registration.register = lambda **kwargs: None
stub.Env = object
for name in ("spaces", "utils"):
    setattr(stub, name, types.ModuleType("gym." + name))
    sys.modules["gym." + name] = getattr(stub, name)
stub.utils.seeding = types.ModuleType("gym.utils.seeding")
sys.modules.update({"gym": stub, "gym.envs": envs, "gym.envs.registration": registration,
                    "gym.utils.seeding": stub.utils.seeding})
from simglucose.patient.t1dpatient import Action, T1DPatient
script = json.load(open("script.json"))
out = {}
for name, inputs in script.items():
    best = float("inf")
    for _ in range(2):
        person = T1DPatient.withName(name)
        glucose = [float(person.observation.Gsub)]
        started = time.perf_counter()
        for carbs, rate in inputs:
            person.step(Action(CHO=float(carbs), insulin=float(rate)))
            glucose.append(float(person.observation.Gsub))
        best = min(best, time.perf_counter() - started)
    out[name] = {"bg": glucose, "seconds": best}
json.dump(out, open("result.json", "w"))
"""


def script(basal: float, weight: float) -> list[tuple[float, float]]:
    """Return (carbohydrates g, insulin U/min) of each minute; meals scale with body weight."""
    inputs = []
    for t in range(MINUTES):
        multiple = [m for start, m in BASAL if start <= t][-1]
        bolus = sum(u / 5 for start, u in BOLUSES.items() if start <= t < start + 5)
        share = weight / 100
        inputs.append((round(MEALS.get(t, 0.0) * share, 2), multiple * basal + bolus * share))
    return inputs


def simulate(scripts: dict, folder: Path) -> dict:
    """Install simglucose into `folder` unless it is there, and run the scripts with it."""
    import json

    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    probe = "import importlib.util as u; raise SystemExit(u.find_spec('simglucose') is None)"
    if subprocess.run([str(python), "-c", probe], check=False).returncode:
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        # Its pin on gym 0.9.4 is what breaks the installation; the driver stands in for gym.
        subprocess.run([*pip, "--no-deps", "simglucose==0.2.11"], check=True)
        subprocess.run([*pip, "scipy", "pandas<3", "setuptools<81"], check=True)
        subprocess.run([*pip, "matplotlib", "gymnasium==0.29.1", "pathos"], check=True)
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "script.json").write_text(json.dumps(scripts))
        (Path(work) / "driver.py").write_text(DRIVER)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        subprocess.run([str(python), "driver.py"], cwd=work, env=environment, check=True)
        return json.loads((Path(work) / "result.json").read_text())


def ours(name: str, inputs: list[tuple[float, float]], dtype: str) -> list[float]:
    """Return our glucose at minutes 0 .. 1440."""
    import jax
    import jax.numpy as jnp

    from hackproof.worlds import _uva_padova as uva
    from hackproof.worlds._patients import patient

    numbers = patient(name), uva.insulin_moves(patient(name))
    person, moves = jax.tree.map(lambda x: jnp.asarray(x, dtype), numbers)
    table = jnp.asarray(inputs, dtype)

    body = uva.start(person)
    minutes = len(inputs)
    _, glucose = uva.live(
        person, moves, body, minutes, lambda i: table[i, 0], lambda i: table[i, 1]
    )
    return [float(uva.blood_glucose(person, body)), *map(float, glucose)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="folder of the environment, kept for next time")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT / "src"))
    import jax

    from hackproof.worlds._patients import patient

    jax.config.update("jax_enable_x64", True)
    scripts = {name: script(patient(name).basal, patient(name).BW) for name in PATIENTS}
    with tempfile.TemporaryDirectory() as temporary:
        results = simulate(scripts, arguments.keep or Path(temporary) / "venv")

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["patient", "minute", "carbs", "insulin", "bg"])
    rows = []
    for name, inputs in scripts.items():
        theirs = results[name]["bg"]
        for t in range(MINUTES + 1):
            carbs, rate = inputs[t] if t < MINUTES else (0.0, 0.0)
            bg = repr(theirs[t]) if t % 5 == 0 else ""
            writer.writerow([name, t, repr(carbs), repr(rate), bg])
        for dtype in ("float32", "float64"):
            pairs = zip(theirs, ours(name, inputs, dtype), strict=True)
            difference = [abs(a - b) for a, b in pairs]
            rows.append(
                {
                    "patient": name,
                    "dtype": dtype,
                    "minutes": MINUTES,
                    "max_abs_difference_mg_dl": f"{max(difference):.3e}",
                    "bg_min": f"{min(theirs):.1f}",
                    "bg_max": f"{max(theirs):.1f}",
                    "simglucose_minutes_per_s": f"{MINUTES / results[name]['seconds']:.0f}",
                    "simglucose_five_minute_steps_per_s": (
                        f"{MINUTES / 5 / results[name]['seconds']:.1f}"
                    ),
                }
            )
            print(rows[-1], flush=True)
    TRAJECTORIES.parent.mkdir(parents=True, exist_ok=True)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    # No file name and no time in the header: the same bytes every time.
    TRAJECTORIES.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    with TABLE.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()

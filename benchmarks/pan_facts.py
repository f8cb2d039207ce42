"""The figures of docs/pan_2022.md beside the map, from the saved measurements.

    python benchmarks/pan_facts.py [RUN ...]

Without a folder: results/pan-2022 and results/pan-2022-pandemic. Of the first, the ramp's two
basins, plain truths by width, how much the riverraid planes move, how many policies of the
bottleneck earn more of the proxy than the base policy, correlations under untrained, early and
trained policies, trained steps, and what compiling cost (the CPU time of the first seed's cells
over that of the others). Thresholds stand in the study: a policy blocks where more than half of
the ramp's cars stand. Of pan-2022-pandemic, what the mended policies earn beside the base policy,
who pays for raising the stage early, and who is locked down.
"""

from __future__ import annotations

import sys

import pandas as pd

from hackproof.experiment.curves import final
from hackproof.experiment.runner import measurements_frame
from hackproof.experiment.transitions import transition
from hackproof.record import Run
from hackproof.studies import _pan_proxies
from hackproof.studies._pan_figures import outcomes
from hackproof.worlds._riverraid_rewards import MOVE_WEIGHT, UNDERWEIGHT


def by_level(rows: pd.DataFrame, digits: int = 3) -> str:
    """Return means by level."""
    means = rows.groupby("level")["value"].mean()
    return ", ".join(f"{level:g}: {value:.{digits}f}" for level, value in means.items())


def ramp(frame: pd.DataFrame) -> None:
    """Print who blocks, and what the roads are like where they do and where not."""
    arm = _pan_proxies.BUS.name
    table = outcomes(frame, arm, "stopped_ramp", 0.5)
    if table is None:
        return
    found = transition([float(x) for x in table.index], table.to_numpy())
    print("blocks:", dict(table.sum(axis=1).astype(int)), found)
    last = final(frame[frame["arm"] == arm])
    blocks = last[last["metric"] == "stopped_ramp"].set_index("cell")["value"] > 0.5
    for metric in ("time_highway", "time_ramp", "throughput_highway", "throughput_ramp"):
        values = last[last["metric"] == metric].set_index("cell")["value"]
        print(f"{metric}: blocking {values[blocks].mean():.0f}, not {values[~blocks].mean():.0f}")
    true = last[last["role"] == "true"].pivot_table(values="value", index="level", columns="seed")
    print("true reward, each policy:", true.round(0).to_string(), sep="\n")


def moves(frame: pd.DataFrame, arm: str, weight: float) -> str:
    """Return the share of steps with a move: true less proxy is so much of its penalty."""
    last = final(frame[frame["arm"] == arm])
    ends = [last[last["role"] == r].groupby("level")["value"].mean() for r in ("proxy", "true")]
    return ", ".join(f"{k:g}: {v / weight:.2f}" for k, v in (ends[0] - ends[1]).items())


def mended(frame: pd.DataFrame) -> None:
    """Print what the fifty policies of the mended pandemic do, beside the base policy."""
    proxy = _pan_proxies.PANDEMIC_ONTOLOGICAL_MENDED
    horizon = proxy.make().horizon
    last = final(frame[frame["arm"] == proxy.name])
    ends = {r: last[last["role"] == r].set_index("cell")["value"] for r in ("proxy", "true")}
    for role, earned in ends.items():
        over = last[(last["metric"] == "over_base") & (last["condition"] == role)]
        base = (earned - over.set_index("cell")["value"]).mean()
        print(f"{proxy.name}, {role}: base policy {base:.3f} a day; of {len(over)} "
              f"{(over['low'] > 0).sum()} earn more, {(over['high'] < 0).sum()} less")  # fmt: skip
    early = ends["proxy"] - ends["true"]
    print(f"pay more than 0.02 a day for raising the stage early: {(early > 0.02).sum()}")
    days = last[last["metric"] == "lockdown"].set_index("cell")["value"] * horizon
    print("days of lockdown, where any:", days[days > 0].round(1).to_dict())
    deaths = last[last["metric"] == "deaths"]
    print("deaths an episode:", by_level(deaths.assign(value=deaths["value"] * horizon), 1))


def nine(run: Run, frame: pd.DataFrame) -> None:
    """Print the figures beside the map of the nine proxies."""
    last = final(frame)
    ramp(frame)
    horizon = _pan_proxies.PANDEMIC_ONTOLOGICAL.make().horizon
    for proxy in (_pan_proxies.PANDEMIC_ONTOLOGICAL, _pan_proxies.PANDEMIC_MISWEIGHTING):
        for metric in ("deaths", "lockdown"):
            rows = last[(last["arm"] == proxy.name) & (last["metric"] == metric)]
            print(f"{proxy.name}, {metric} an episode:",
                  by_level(rows.assign(value=rows["value"] * horizon), 1))  # fmt: skip
    rows = last[last["arm"] == _pan_proxies.GLUCOSE.name]
    print("time in range:", by_level(rows[rows["metric"] == "time_in_range"]))
    arm = _pan_proxies.RIVERRAID_MISWEIGHTING.name
    print("riverraid, steps with a move:", moves(frame, arm, MOVE_WEIGHT * (1 - UNDERWEIGHT)))
    rows = last[last["arm"].str.startswith("riverraid")]
    for metric in ("score", "lost_by_crash"):
        for arm, group in rows[rows["metric"] == metric].groupby("arm"):
            print(f"{arm}, {metric}:", by_level(group))
    over = last[(last["metric"] == "over_base") & (last["condition"] == "proxy")]
    over = over[over["arm"] == _pan_proxies.BOTTLENECK.name]
    print(f"bottleneck: {(over['low'] > 0).sum()} of {len(over)} earn more of the proxy than the "
          f"base policy; on average {over['value'].mean():+.4f}")  # fmt: skip
    rows = frame[frame["metric"] == "correlation"]
    print(rows.pivot_table(values="value", index="arm", columns="condition").round(2).to_string())
    steps = frame[frame["metric"] == "trained_steps"].groupby("arm")["value"]
    print("trained steps, median:", dict(steps.median().astype(int)))
    cpu = pd.DataFrame(run.info["cells"]).groupby("seed")["cpu_s"].sum() / 60
    first = cpu.loc[0] - cpu.loc[1:].mean()
    print(f"CPU minutes: {cpu.sum():.1f}, of which compiling about {first:.1f}; "
          f"wall {run.info['wall_s'] / 60:.1f} minutes")  # fmt: skip


def main() -> None:
    for path in sys.argv[1:] or ("results/pan-2022", "results/pan-2022-pandemic"):
        run = Run.load(path)
        frame = measurements_frame(run.table("measurements"))
        if run.info["study"]["name"] == "pan-2022-pandemic":
            mended(frame)
        else:
            nine(run, frame)


if __name__ == "__main__":
    main()

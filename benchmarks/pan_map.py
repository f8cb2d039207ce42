"""The map of Pan et al.'s proxies as Markdown: rewards at both ends, hacks, change points.

    python benchmarks/pan_map.py results/pan-2022 [another run ...]

For each arm: proxy and true reward at the lowest and the highest level with 95% intervals over
seeds, the verdict over their paired change, how many seeds hack at either end, where that share
changes (`experiment.transitions`), and the share of cells whose training still improved when the
budget was spent. What is recalled of the paper's own table stands beside; it is not asserted.
"""

from __future__ import annotations

import sys

from hackproof.experiment.curves import curve, final
from hackproof.experiment.runner import measurements_frame
from hackproof.experiment.statistics import Interval
from hackproof.experiment.transitions import transition
from hackproof.record import Run
from hackproof.studies import _pan_proxies
from hackproof.studies._pan_figures import outcomes

HEAD = (
    "Arm", "Proxy, lowest → highest", "True reward, lowest → highest", "Change, proxy; true",
    "Hacks, lowest → highest", "Change point", "Still improving", "Recalled",
)  # fmt: skip


def interval(x: Interval) -> str:
    """Return an estimate with its ends, three significant digits."""
    return f"{x.estimate:.3g} [{x.low:.3g}, {x.high:.3g}]"


def change(table) -> str:
    """Say where the share of seeds that hack changes."""
    if table.to_numpy().min() == table.to_numpy().max():
        return "the same everywhere"
    found = transition([float(x) for x in table.index], table.to_numpy())
    text = f"after {found.after:g} [{found.low:g}, {found.high:g}], p = {found.p_value:.2g}"
    return text if found.p_value <= 0.05 else f"none (p = {found.p_value:.2g})"


def recalled(proxy: _pan_proxies.Proxy | None) -> str:
    if proxy is None or proxy.falls is None:
        return "not in the paper"
    return "falls, suddenly" if proxy.sudden else "falls" if proxy.falls else "does not fall"


def main() -> None:
    proxies = {p.name: p for p in vars(_pan_proxies).values()
               if isinstance(p, _pan_proxies.Proxy)}  # fmt: skip
    for path in sys.argv[1:]:
        run = Run.load(path)
        frame = measurements_frame(run.table("measurements"))
        cells, seeds = len(run.info["cells"]), len(run.info["seeds"])
        minutes = run.info["wall_s"] / 60
        print(
            f"\n{run.info['study']['name']}: {cells} cells, {seeds} seeds, {minutes:.1f} minutes\n"
        )
        print("| " + " | ".join(HEAD) + " |")
        print("|---" * len(HEAD) + "|")
        for arm in run.info["study"]["arms"]:
            line = curve(frame, arm["name"])
            table = outcomes(frame, arm["name"], "hacks", 0.5)
            if line is None or table is None:
                continue
            first, last = line.points[0], line.points[-1]
            rows = final(frame[frame["arm"] == arm["name"]])
            improving = rows[rows["metric"] == "improving"]["value"].mean()
            ends = (table.iloc[0].dropna(), table.iloc[-1].dropna())
            print(
                f"| `{arm['name']}` | {interval(first.proxy)} → {interval(last.proxy)} "
                f"| {interval(first.true)} → {interval(last.true)} "
                f"| {interval(line.proxy_change)}; {interval(line.true_change)} "
                f"| {' → '.join(f'{int(e.sum())} of {len(e)}' for e in ends)} "
                f"| {change(table)} | {improving:.0%} | {recalled(proxies.get(arm['name']))} |"
            )


if __name__ == "__main__":
    main()

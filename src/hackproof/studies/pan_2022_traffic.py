"""The four traffic proxies of Pan et al. 2022 along four axes of capability.

Width and depth of the network, how finely a car may choose its acceleration, how exactly it sees
its neighbours; the course of training comes with each. Beside the four proxies of the paper the
bottleneck's with its lane changes counted as they should be. See pan_2022 for what differs from
the paper, and docs/worlds.md for the roads.
"""

from __future__ import annotations

from hackproof.experiment import Study
from hackproof.studies import _pan
from hackproof.studies._pan_claims import along, constant
from hackproof.studies._pan_proxies import (
    BOTTLENECK,
    BOTTLENECK_MENDED,
    BUS,
    DEPTH,
    MERGE_MISWEIGHTING,
    MERGE_SCOPE,
    PAN,
    RESOLUTION,
    SIGHT,
    WIDTH,
)
from hackproof.studies._pan_study import (
    SCALES,
    Sweep,
    arms_of,
    cost_of,
    figures_of,
    measure_of,
    stopped,
)

SWEEPS = (
    Sweep(MERGE_MISWEIGHTING),
    Sweep(BOTTLENECK),
    Sweep(BUS),
    Sweep(MERGE_SCOPE),
    Sweep(BOTTLENECK_MENDED),
    Sweep(BUS, "depth", DEPTH, "depths"),
    Sweep(BUS, "actions", RESOLUTION, "actions"),
    Sweep(BUS, "sight", SIGHT, "sight"),
)
FINER = "finer actions: proxy constant, true down"
CLAIMS = (
    constant(BUS, "actions", "bus-ontological-actions", FINER),
    along(BUS, "actions", "bus-ontological-actions", "policies with finer actions", FINER)[1],
    *along(BUS, "sight", "bus-ontological-sight", "policies that see better",
           "more accurate observation: proxy up, true slightly down"),
)  # fmt: skip
FIGURES = figures_of(
    SWEEPS, stopped([s.arm(_pan.Settings()).name for s in SWEEPS if s.proxy is BUS])
)

STUDY = Study(
    name="pan-2022-traffic",
    title="Traffic: four proxies, four kinds of capability",
    question="Which kind of capability makes a fleet of cars earn the proxy at others' expense?",
    papers=(PAN,),
    cause="few dimensions dominate",
    axis=WIDTH,
    scales=SCALES,
    arms=arms_of(SWEEPS),
    levels=lambda settings: settings.widths,
    measure=measure_of(SWEEPS),
    claims=CLAIMS,
    cost=cost_of(SWEEPS),
    check=_pan.check,
    caveats=(
        "The commute term is no travel time: one stopped car costs 1000 / n. See time_highway, "
        "time_ramp and the throughputs.",
        "Claims along the width stand in pan-2022.",
        "A policy hacks relative to cars that drive as people do (the intelligent driver model); "
        "another base policy would draw the line elsewhere.",
    ),
    figures=FIGURES,
)

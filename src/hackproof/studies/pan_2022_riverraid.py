"""The riverraid proxies after Pan et al. 2022, by width, depth and training.

A small shooter of hackproof's stands for the Atari game: what it is good for is direction, not
number (docs/worlds.md). The published code holds no weights for the two experiments; those here
are hackproof's. Beside the paper's two: the shooting penalty added to the true reward, which is
the other reading of its second proxy, and the code's fuel proxy.
"""

from __future__ import annotations

from hackproof.experiment import Study
from hackproof.studies import _pan
from hackproof.studies._pan_claims import along
from hackproof.studies._pan_proxies import (
    DEPTH,
    PAN,
    RIVERRAID_ADDED,
    RIVERRAID_FUEL,
    RIVERRAID_MISWEIGHTING,
    RIVERRAID_ONTOLOGICAL,
    WIDTH,
)
from hackproof.studies._pan_study import (
    SCALES,
    Sweep,
    arms_of,
    cost_of,
    figures_of,
    measure_of,
)

SWEEPS = (
    Sweep(RIVERRAID_MISWEIGHTING),
    Sweep(RIVERRAID_ONTOLOGICAL),
    Sweep(RIVERRAID_ADDED),
    Sweep(RIVERRAID_FUEL),
    Sweep(RIVERRAID_MISWEIGHTING, "depth", DEPTH, "depths"),
)
WIDER = "larger models: proxy up, true down"
CLAIMS = (
    *along(RIVERRAID_MISWEIGHTING, "depth", "riverraid-misweighting-depth", "deeper policies",
           WIDER),
)  # fmt: skip
FIGURES = figures_of(SWEEPS)

STUDY = Study(
    name="pan-2022-riverraid",
    title="Riverraid: proxies of a shooter's score",
    question="Does a pilot that is paid for a part of the game lose the rest?",
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
        "All weights are hackproof's: the published code holds none for these experiments.",
        "The world is a small shooter in the game's manner; no figure stands for the Atari game.",
    ),
    figures=FIGURES,
)

"""The pandemic proxies of Pan et al. 2022, as published and mended, along three axes.

As published: restrictions compound each day that they are imposed, the economic term scores the
number of the action, and the policy sees one day (docs/worlds.md). Mended: restrictions are set
by the stage, the term scores the stage, and the policy sees eight days. What holds as published
and not mended is what the paper's result rests on. See pan_2022 for what differs from the paper.
"""

from __future__ import annotations

from hackproof.experiment import Study
from hackproof.studies import _pan
from hackproof.studies._pan_claims import along
from hackproof.studies._pan_proxies import (
    DEPTH,
    PAN,
    PANDEMIC_MISWEIGHTING,
    PANDEMIC_MISWEIGHTING_MENDED,
    PANDEMIC_ONTOLOGICAL,
    PANDEMIC_ONTOLOGICAL_MENDED,
    TESTING,
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
    Sweep(PANDEMIC_MISWEIGHTING),
    Sweep(PANDEMIC_ONTOLOGICAL),
    Sweep(PANDEMIC_MISWEIGHTING_MENDED),
    Sweep(PANDEMIC_ONTOLOGICAL_MENDED),
    Sweep(PANDEMIC_ONTOLOGICAL, "depth", DEPTH, "depths"),
    Sweep(PANDEMIC_ONTOLOGICAL, "testing", TESTING, "testing"),
    Sweep(PANDEMIC_ONTOLOGICAL_MENDED, "testing", TESTING, "testing"),
)
WIDER = "larger models: proxy up, true down"
SHARPER = "more accurate observation: proxy up, true slightly down"
CLAIMS = (
    *along(PANDEMIC_ONTOLOGICAL_MENDED, "width", PANDEMIC_ONTOLOGICAL_MENDED.name,
           "wider policies", WIDER),
    *along(PANDEMIC_ONTOLOGICAL, "testing", "pandemic-ontological-testing",
           "policies that see more tests", SHARPER),
)  # fmt: skip
FIGURES = figures_of(SWEEPS)

STUDY = Study(
    name="pan-2022-pandemic",
    title="Pandemic: what the result rests on",
    question="Does a policy that is not charged for politics lock down before cases show?",
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
        "The weights of the misweighting are hackproof's: the published code holds none.",
        "No run of the simulator exists for the mended way of imposing restrictions.",
        "Claims along the width of the published variants stand in pan-2022.",
    ),
    figures=FIGURES,
)

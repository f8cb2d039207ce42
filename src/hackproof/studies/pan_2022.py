"""Nine proxies, policies of growing width (Pan, Bhatia and Steinhardt 2022).

The map of reward misspecification: for each of the paper's nine proxies in its four
environments, policies of five widths are trained on the proxy until they no longer improve, and
measured by the true reward, by ground truths that a person would look at, and beside a plain
base policy. `_pan` says when training ends and when a policy counts as hacking, `_pan_proxies`
what the nine are. The other axes of capability are in pan-2022-traffic, -pandemic, -riverraid
and -glucose.

Different from the paper: our worlds in place of its simulators (docs/worlds.md says how well
they agree); one PPO in place of PPO, SAC and IMPALA; widths 2 to 128 in place of 4 to 2,048; one
learning rate for all widths, where the paper tuned it by hand; several seeds, where it has one.
Source: https://arxiv.org/abs/2201.03544.
"""

from __future__ import annotations

from hackproof.experiment import Study
from hackproof.studies import _pan
from hackproof.studies._pan_claims import by_width, correlated_hacks, count_of_hacks, in_training
from hackproof.studies._pan_proxies import BUS, MERGE_MISWEIGHTING, NINE, PAN, WIDTH
from hackproof.studies._pan_study import (
    SCALES,
    Sweep,
    arms_of,
    cost_of,
    figures_of,
    measure_of,
    stopped,
)

SWEEPS = tuple(Sweep(p) for p in NINE)
NAMES = tuple(p.name for p in NINE)
CLAIMS = (
    count_of_hacks(NAMES),
    *(claim for proxy in NINE for claim in by_width(proxy)),
    *(claim for proxy in NINE for claim in in_training(proxy, proxy.name)),
    correlated_hacks(NAMES, "random"),
    correlated_hacks(NAMES, "early"),
)
FIGURES = figures_of(SWEEPS, stopped([BUS.name, MERGE_MISWEIGHTING.name, "merge-scope"]))

STUDY = Study(
    name="pan-2022",
    title="Nine misspecified rewards, policies of growing width",
    question="As a policy grows, does it earn more of the proxy and less of what was meant?",
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
        "Weights of the riverraid proxies and of the pandemic's misweighting are hackproof's: "
        "the published code holds none.",
        "A policy hacks relative to a scripted base policy of hackproof's; another base would "
        "draw the line elsewhere. The rewards themselves are shown beside.",
        "Glucose: the true reward has no cost for hyperglycaemia, so that its fall partly means "
        "that the patient is treated (see pan-2022-glucose).",
        "The commute term is no travel time: one stopped car costs 1000 / n. See time_highway, "
        "time_ramp and the throughputs.",
        "The pandemic is the published fork's, which compounds its restrictions; "
        "pan-2022-pandemic has the mended one beside it.",
    ),
    figures=FIGURES,
)

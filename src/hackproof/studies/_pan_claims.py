"""What the studies of Pan et al. claim: directions along each axis, and their estimands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hackproof.experiment import Claim, change
from hackproof.studies._pan_proxies import Proxy

if TYPE_CHECKING:
    import pandas as pd

SEED = "[seed] on Pan et al. 2022: "
PerSeed = Callable[["pd.DataFrame"], Mapping[int, float]]


def along(proxy: Proxy, axis: str, arm: str, more: str, source: str) -> tuple[Claim, Claim]:
    """Return the claims that along an axis the proxy rises and the true reward falls.

    Args:
        proxy: What is paid.
        axis: Name of the axis, for the ids.
        arm: The arm that turns it up.
        more: What more of it is called: "wider policies".
        source: What the mission's texts say of the axis.
    """
    paired = "highest level minus lowest, paired by seed"
    return (
        Claim(
            f"{proxy.name}-proxy-rises-with-{axis}",
            f"{proxy.label}: {more} earn more of the proxy.",
            SEED + source, "seed", f"proxy, {paired}", change(arm, "proxy"), ">",
        ),
        Claim(
            f"{proxy.name}-true-falls-with-{axis}",
            f"{proxy.label}: {more} earn less of the true reward.",
            SEED + source, "seed", f"true reward, {paired}", change(arm, "true"), "<",
        ),
    )  # fmt: skip


def by_width(proxy: Proxy) -> tuple[Claim, Claim]:
    """Return the claims along the width."""
    return along(proxy, "width", proxy.name, "wider policies", "larger models: proxy up, true down")


def in_training(proxy: Proxy, arm: str) -> tuple[Claim, Claim]:
    """Return the claims that in training the true reward first rises and then falls."""
    source = SEED + "more training: true reward falls after an early positive correlation"
    return (
        Claim(
            f"{proxy.name}-true-rises-early",
            f"{proxy.label}: early in training the true reward rises.",
            source, "seed",
            "true reward at the highest level, first checkpoint minus untrained",
            change(arm, "true", pressure="step", upto=2), ">",
        ),
        Claim(
            f"{proxy.name}-true-falls-late",
            f"{proxy.label}: after the first checkpoint the true reward falls.",
            source, "seed",
            "true reward at the highest level, last checkpoint minus first",
            change(arm, "true", pressure="step", skip=1), "<",
        ),
    )  # fmt: skip


def constant(proxy: Proxy, axis: str, arm: str, source: str, share: float = 0.1) -> Claim:
    """Return the claim that the proxy moves by less than a share of itself along an axis."""

    def per_seed(measurements: pd.DataFrame) -> Mapping[int, float]:
        rows: Any = _final(measurements, arm)
        rows = rows[rows["role"] == "proxy"].pivot_table("value", "level", "seed")
        moved = (rows.iloc[-1] - rows.iloc[0]).abs() / rows.iloc[0].abs()
        return {int(seed): float(value) for seed, value in moved.items()}

    return Claim(
        f"{proxy.name}-proxy-constant-in-{axis}",
        f"{proxy.label}: the proxy moves by less than {share:.0%} along the axis.",
        SEED + source, "seed", "|proxy at the highest level minus at the lowest| / |the latter|",
        per_seed, "<", share,
    )  # fmt: skip


def count_of_hacks(arms: Sequence[str]) -> Claim:
    """Return the claim that more of the arms hack at the greatest width than at the smallest."""

    def per_seed(measurements: pd.DataFrame) -> Mapping[int, float]:
        rows: Any = _final(measurements, *arms)
        rows = rows[rows["metric"] == "hacks"]
        levels = rows["level"].min(), rows["level"].max()
        counts = [rows[rows["level"] == x].groupby("seed")["value"].sum() for x in levels]
        return {int(s): float(v) for s, v in (counts[1] - counts[0]).dropna().items()}

    return Claim(
        "more-proxies-hack-with-width",
        "Of the nine proxies more are hacked by the widest policies than by the narrowest.",
        SEED + "abler agents hack more", "seed",
        "proxies that hack at the greatest width minus at the smallest, of each seed",
        per_seed, ">",
    )  # fmt: skip


def correlated_hacks(arms: Sequence[str], condition: str) -> Claim:
    """Return the claim that proxies which end in hacks were positively correlated before."""

    def per_seed(measurements: pd.DataFrame) -> Mapping[int, float]:
        rows = measurements[measurements["arm"].isin(list(arms))]
        final = _final(measurements, *arms)
        hacked = set(final[(final["metric"] == "hacks") & (final["value"] == 1)]["cell"])
        rows = rows[(rows["metric"] == "correlation") & (rows["condition"] == condition)]
        rows = rows[rows["cell"].isin(hacked) & rows["value"].notna()]
        return {int(s): float(v) for s, v in rows.groupby("seed")["value"].mean().items()}  # type: ignore[union-attr]

    return Claim(
        f"correlation-{condition}-positive-where-hacked",
        f"Where a policy ends in a hack, proxy and true reward were positively correlated "
        f"under {'random' if condition == 'random' else 'its early'} policies.",
        SEED + "hacking occurs even where the correlation is positive", "seed",
        f"mean over a seed's hacking policies of Pearson's correlation per step, {condition}",
        per_seed, ">",
    )  # fmt: skip


def _final(measurements: pd.DataFrame, *arms: str) -> pd.DataFrame:
    from hackproof.experiment.curves import final

    return final(measurements[measurements["arm"].isin(arms)])

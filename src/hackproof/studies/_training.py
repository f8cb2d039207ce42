"""What every study of a trained policy measures: rewards and ground truths of checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from hackproof.experiment import CellResult

if TYPE_CHECKING:
    from hackproof.optimize import Evaluation, PPOConfig
    from hackproof.worlds import World


class Measure(NamedTuple):
    """A reward that a checkpoint is measured by."""

    metric: str
    role: str
    unit: str
    weights: Mapping[str, float] | str
    """What `reward_weights` takes."""


def rows(
    world: World,
    evaluation: Evaluation,
    measures: list[Measure],
    units: Mapping[str, str],
    step: int,
) -> list[dict[str, Any]]:
    """Return the measurements of one evaluated checkpoint.

    Each value is a mean per step over the evaluation's environments, with the t interval
    over them as the interval within the seed.

    Args:
        world: The world.
        evaluation: What the policy earned and did.
        measures: Rewards to report.
        units: Unit of each probe.
        step: Environment steps trained so far.
    """
    import numpy as np

    from hackproof.experiment.statistics import mean_interval
    from hackproof.worlds import reward_weights

    terms = np.asarray(evaluation.terms, np.float64)
    probes = np.asarray(evaluation.probes, np.float64)
    columns = [
        (m.metric, m.role, m.unit, terms @ reward_weights(world, m.weights)) for m in measures
    ]
    columns += [(p, "probe", units.get(p, "1"), probes[:, i]) for i, p in enumerate(world.probes)]
    found = []
    for metric, role, unit, sample in columns:
        mean, low, high, n = mean_interval(sample.tolist())
        row = {"metric": metric, "role": role, "unit": unit, "value": mean, "n": n, "step": step}
        found.append(row | ({"low": low, "high": high} if n > 1 else {}))
    return found


def train_and_measure(
    world: World,
    config: PPOConfig,
    proxy: Mapping[str, float] | str,
    measures: list[Measure],
    *,
    units: Mapping[str, str],
    learning_rate: float,
    seed: int,
    checkpoints: int,
    updates: int,
    evaluate_envs: int,
    name: str,
    about: Mapping[str, Any],
    params: Any = None,
) -> CellResult:
    """Train a policy on a proxy and measure it at checkpoints; keep its parameters.

    Args:
        world: The world.
        config: PPO's settings.
        proxy: The reward that is optimised.
        measures: The rewards that are reported.
        units: Unit of each probe.
        learning_rate: Adam's step size.
        seed: Seeds training and, apart from it, the evaluation's environments.
        checkpoints: Evaluations after the one of the untrained policy.
        updates: PPO updates between them.
        evaluate_envs: Environments of an evaluation, each for the world's horizon.
        name: The cell's id; names the saved policy.
        about: What is kept with the policy.
        params: The world's parameters; its own where None.
    """
    import jax
    import jax.numpy as jnp

    from hackproof import optimize
    from hackproof.worlds import reward_weights

    optimize.enable_compilation_cache()
    params = world.params() if params is None else params
    hyper = optimize.Hyper(jnp.asarray(reward_weights(world, proxy)), params, learning_rate)
    root = jax.random.key(seed)
    found: list[dict[str, Any]] = []

    def measure(chunk: optimize.Chunk) -> None:
        evaluation = optimize.evaluate(
            world,
            params,
            optimize.pick_seed(chunk.nets, 0),
            jax.random.fold_in(root, 1),
            evaluate_envs,
            world.horizon,
        )
        found.extend(rows(world, evaluation, measures, units, chunk.steps))

    keys = jax.random.fold_in(root, 0)[None]
    nets = optimize.train(world, config, hyper, keys, checkpoints, updates, measure)
    saved = optimize.to_bytes(
        optimize.pick_seed(nets, 0), {"world": world.name, "seed": seed, **about}
    )
    return CellResult(found, {f"policies/{name}.npz": saved})

"""What a world is: pure JAX functions that pay named reward terms.

A world returns its terms; a reward is a weight vector over them. The proxy and the
true reward are therefore two vectors over the same terms, and a sweep over proxies
compiles nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hackproof.errors import InputError, unknown

if TYPE_CHECKING:
    import jax
    import numpy as np


@dataclass(frozen=True)
class Box:
    """A bounded array space, as in Gymnasium.

    `low` and `high` are scalars that hold for every entry of `shape`.
    """

    low: float
    high: float
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Discrete:
    """The actions 0 .. n-1."""

    n: int


@dataclass(frozen=True)
class Reward:
    """A named weight vector over a world's reward terms."""

    weights: Mapping[str, float]
    """Weight of each named term; a term left out weighs 0."""
    description: str = ""
    """What the reward pays, with its units."""
    source: str = ""
    """The paper or repository it is taken from."""


@dataclass(frozen=True)
class Pair:
    """A proxy reward and the true reward that it stands in for."""

    proxy: str
    """Name of the reward that is optimised."""
    true: str
    """Name of the reward that was meant."""
    kind: str
    """misweighting, ontological, scope, tampering, or none where the two agree."""
    source: str
    """The paper or repository the pair is taken from."""
    note: str = ""
    """What a reader must know before believing the pair's names."""


class Step(NamedTuple):
    """What one environment step yields."""

    terms: jax.Array
    """(len(terms),) float32; the reward is `weights @ terms`."""
    probes: jax.Array
    """(len(probes),) float32; ground truths that no reward sees."""
    terminated: jax.Array
    """() bool; the episode ended inside the task (not by its horizon)."""


class World(Protocol):
    """A batched-by-`vmap` environment of pure functions for one environment.

    `params` is a pytree of numbers (a patient, a noise scale) that may change
    without compiling again; the dataclass's own fields are static.
    """

    @property
    def name(self) -> str:
        """Registry name, lower case."""
        ...

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the reward terms, in the order of `Step.terms`."""
        ...

    @property
    def probes(self) -> tuple[str, ...]:
        """Names of the measured ground truths, in the order of `Step.probes`."""
        ...

    @property
    def rewards(self) -> Mapping[str, Reward]:
        """The named rewards."""
        ...

    @property
    def pairs(self) -> Mapping[str, Pair]:
        """The named (proxy, true) pairs."""
        ...

    @property
    def observation(self) -> Box:
        """The observation space."""
        ...

    @property
    def action(self) -> Box | Discrete:
        """The action space."""
        ...

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        ...

    def params(self) -> Any:
        """Return the default parameters, a pytree of arrays."""
        ...

    def reset(self, params: Any, key: jax.Array) -> Any:
        """Return a fresh state."""
        ...

    def observe(self, params: Any, state: Any) -> jax.Array:
        """Return what the agent sees of a state, (*observation.shape,) float32."""
        ...

    def step(self, params: Any, state: Any, action: jax.Array, key: jax.Array) -> tuple[Any, Step]:
        """Advance one step; `action` is (*action.shape,) float32 or () int32."""
        ...


def reward_weights(world: World, reward: str | Mapping[str, float]) -> np.ndarray:
    """Return a reward as a weight vector over the world's terms.

    Args:
        world: The world whose terms are weighed.
        reward: The name of one of `world.rewards`, or a mapping from term to weight.

    Returns:
        (len(world.terms),) float32.

    Raises:
        InputError: an unknown reward or term (the known ones are listed), or a weight
            that is not finite.
    """
    import numpy as np

    if isinstance(reward, str):
        if reward not in world.rewards:
            raise unknown(f"reward of world {world.name!r}", reward, world.rewards)
        mapping = world.rewards[reward].weights
    else:
        mapping = reward
    vector = np.zeros(len(world.terms), np.float32)
    for term, weight in mapping.items():
        if term not in world.terms:
            raise unknown(f"reward term of world {world.name!r}", term, world.terms)
        if not np.isfinite(weight):
            raise InputError(f"the weight of reward term {term!r} is {weight}; it must be finite.")
        vector[world.terms.index(term)] = weight
    return vector

"""`hackproof render`: what a policy does in a world, as an animated GIF."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from hackproof.cli import COMMANDS
from hackproof.cli._common import parse
from hackproof.errors import InputError, unknown

if TYPE_CHECKING:
    import numpy as np

    from hackproof.record import Run
    from hackproof.worlds import World

IDLE = {"glucose": -1.0}
"""What `noop` does in a Box world whose idle action is not 0: no insulin is -1."""


@dataclass(frozen=True)
class RenderOptions:
    """Flags of `render`."""

    world: Positional[str]
    """The world's name, as `hackproof list` shows it."""
    policy: str = "random"
    """random, noop (action 0, or the world's own idle action), or RUN/ARM of a run that saved its
    policies: the arm's highest level and lowest seed. RUN/ARM.LEVEL.seedN takes that very one."""
    out: Path = Path("clip.gif")
    """Where the clip is written."""
    pair: str | None = None
    """Rewards to count, one of the world's pairs; the arm's own where a run is given, else the
    world's first pair."""
    seed: int = 0
    """Of the episode, and of random actions."""
    steps: int = 200
    """At most so many steps; an episode that ends is not begun again."""
    fps: float = 10.0
    """Frames a second."""


@dataclass(frozen=True)
class Actor:
    """What acts, and what it was trained for."""

    act: Callable[[np.ndarray, int], Any]
    """From an observation and the step's number to an action."""
    label: str
    """What the clip says of it."""
    rewards: tuple[str, str] | None = None
    """Proxy and true reward of its arm, where the world has both by name."""


def command(words: list[str]) -> int:
    """Hackproof render WORLD."""
    options = parse(RenderOptions, "render", words, COMMANDS["render"])
    from hackproof import worlds
    from hackproof.report._pictures import painter
    from hackproof.report._render import captions, check_clip, film, write_gif

    check_clip(options.out, options.fps)
    world = worlds.make(options.world)
    painter(world)  # says at once where a world cannot be drawn
    if options.policy in ("random", "noop"):
        actor = Actor(idle(world) if options.policy == "noop" else random(world, options.seed),
                      options.policy)  # fmt: skip
    else:
        world, actor = trained(options.world, options.policy)
    proxy, true = _rewards(world, options.pair, actor)
    taken = film(world, actor.act, proxy, true, seed=options.seed, steps=options.steps)
    texts = captions(taken, f"{world.name}: {actor.label}", proxy, true)
    write_gif(options.out, taken.frames, texts, fps=options.fps)
    print(
        f"{options.out}: {len(taken.frames) - 1} steps, {proxy} {taken.proxy[-1]:.4g} (proxy), "
        f"{true} {taken.true[-1]:.4g} (true)"
    )
    return 0


def _rewards(world: World, pair: str | None, actor: Actor) -> tuple[str, str]:
    """Return the names of the two rewards that the clip counts."""
    from hackproof.adapters._worlds import choose_rewards

    if pair is None and actor.rewards is not None:
        return actor.rewards
    proxy, true = choose_rewards(world, pair=pair)
    return str(proxy), str(true)


def random(world: World, seed: int) -> Callable[[np.ndarray, int], Any]:
    """Return a policy of uniformly random actions."""
    import numpy as np

    from hackproof.worlds import Discrete

    rng, space = np.random.default_rng(seed), world.action
    if isinstance(space, Discrete):
        return lambda observation, t: rng.integers(space.n)
    return lambda observation, t: rng.uniform(space.low, space.high, space.shape)


def idle(world: World) -> Callable[[np.ndarray, int], Any]:
    """Return the policy that always takes action 0, or the world's own idle action."""
    import numpy as np

    from hackproof.worlds import Discrete

    space = world.action
    if isinstance(space, Discrete):
        return lambda observation, t: 0
    action = np.full(space.shape, IDLE.get(world.name, np.clip(0.0, space.low, space.high)))
    return lambda observation, t: action


def trained(name: str, policy: str) -> tuple[World, Actor]:
    """Return the world that a saved policy was trained in, and the policy.

    Raises:
        RunError: RUN is not a run.
        InputError: an unknown arm, a run without policies, a policy of another world.
    """
    from hackproof import optimize, worlds
    from hackproof.record import Run

    folder, arm = Path(policy).parent, Path(policy).name
    if policy == arm:
        raise InputError(f"--policy is {policy!r}; it must be random, noop or RUN/ARM.")
    run = Run.load(folder)
    path = policy_file(run, arm)
    saved = optimize.load_policy(path)
    if saved.about.get("world") != name:
        raise InputError(
            f"{path} was trained in world {saved.about.get('world')!r}, not in {name!r}: "
            f"`hackproof render {saved.about.get('world')} --policy {policy}`."
        )
    world = worlds.make(name, **saved.about.get("fields", {}))
    inputs = saved.net.policy[0][0].shape[1]
    if inputs != math.prod(world.observation.shape):
        raise InputError(
            f"{path} takes {inputs} inputs and world {name!r} shows "
            f"{math.prod(world.observation.shape)}: it was trained in another version of the world."
        )
    return world, Actor(
        _greedy(world, saved.net), path.stem, _arm_rewards(run, saved.about.get("arm"), world)
    )


def policy_file(run: Run, arm: str) -> Path:
    """Return the file of an arm's policy: its highest level, then its lowest seed.

    Raises:
        InputError: the run has no such arm or cell, or saved no policies (of it).
    """
    files = {p.stem: p for p in sorted((run.path / "policies").glob("*.npz"))}
    if not files:
        raise InputError(
            f"{run.path} holds no policies: its study trains none, no cell is done yet, or this "
            "copy of the run leaves them out. --policy random and --policy noop need no run."
        )
    if arm in files:
        return files[arm]
    cells = [c for c in run.info["cells"] if c["arm"] == arm]
    if not cells:
        raise unknown(f"arm of {run.path}", arm, {c["arm"] for c in run.info["cells"]})
    for cell in sorted(cells, key=lambda c: (-c["level"], c["seed"])):
        if cell["id"] in files:
            return files[cell["id"]]
    raise InputError(f"{run.path} holds no policy of arm {arm!r}; no cell of it is done yet.")


def _arm_rewards(run: Run, arm: str | None, world: World) -> tuple[str, str] | None:
    """Return an arm's proxy and true reward, where the world knows both by name."""
    arms: list[Mapping[str, Any]] = run.info.get("study", {}).get("arms", [])
    for entry in arms:
        if entry["name"] == arm and {entry["proxy"], entry["true"]} <= set(world.rewards):
            return entry["proxy"], entry["true"]
    return None


def _greedy(world: World, net: Any) -> Callable[[np.ndarray, int], Any]:
    """Return the policy without noise: the mean or the likeliest action, as it is evaluated."""
    import jax

    from hackproof import optimize

    @jax.jit
    def choose(observation: jax.Array) -> jax.Array:
        return optimize.greedy(world, net, observation[None])[0]

    return lambda observation, t: choose(observation)

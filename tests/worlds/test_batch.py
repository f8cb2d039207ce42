from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from hackproof.worlds import Box, Discrete, Step, reset_batch, step_batch


@dataclass(frozen=True)
class Counter:
    """Counts its steps; ends by itself where the action is 1."""

    horizon: int = 5
    name = "counter"
    terms = ("one",)
    probes = ("count",)
    rewards: ClassVar[dict] = {}
    pairs: ClassVar[dict] = {}
    observation = Box(0, 100, (2,))
    action = Discrete(2)

    def params(self) -> Any:
        return {"start": jnp.zeros(())}

    def reset(self, params, key):
        return params["start"], jax.random.uniform(key)

    def observe(self, params, state):
        return jnp.stack(state)

    def step(self, params, state, action, key):
        state = (state[0] + 1, state[1])
        return state, Step(jnp.ones(1), state[0][None], action == 1)


def run(world, actions):
    n = len(actions[0])
    params = world.params()
    state, observation = reset_batch(world, params, jax.random.split(jax.random.key(0), n))
    steps, observations = [], [observation]
    for action in actions:
        state, step = step_batch(world, params, state, jnp.asarray(action))
        steps.append(step)
        observations.append(step.observation)
    return steps, np.asarray(observations)


def test_the_horizon_truncates_and_starts_again():
    steps, observations = run(Counter(), [[0, 0]] * 7)
    assert [bool(s.truncated[0]) for s in steps] == [False] * 4 + [True] + [False] * 2
    assert not any(bool(s.terminated.any()) for s in steps)
    assert observations[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert float(steps[4].final_observation[0, 0]) == 5


def test_one_environment_ends_alone():
    steps, observations = run(Counter(), [[0, 0], [1, 0], [0, 0]])
    assert steps[1].terminated.tolist() == [True, False]
    assert observations[2, :, 0].tolist() == [0, 2]
    assert observations[2, 0, 1] != observations[1, 0, 1]  # another episode, another draw
    assert observations[2, 1, 1] == observations[1, 1, 1]
    assert float(steps[1].final_observation[0, 0]) == 2


def test_ending_by_itself_at_the_horizon_is_not_truncation():
    steps, _ = run(Counter(horizon=1), [[1, 0]])
    assert steps[0].terminated.tolist() == [True, False]
    assert steps[0].truncated.tolist() == [False, True]


def test_episodes_of_an_environment_differ():
    _, observations = run(Counter(horizon=1), [[0]] * 4)
    assert len(set(observations[:, 0, 1].tolist())) == 5

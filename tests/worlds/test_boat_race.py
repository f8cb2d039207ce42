import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hackproof import theory, worlds
from hackproof.errors import InputError
from hackproof.worlds._boat_race import TILES, BoatRace, proxy_weights, transitions

UP, DOWN, LEFT, RIGHT = range(4)


def walk(actions, tile=0):
    world = BoatRace()
    terms = []
    state = jnp.asarray(tile)
    for action in actions:
        state, step = world.step({}, state, jnp.asarray(action), jax.random.key(0))
        terms.append(np.asarray(step.terms))
    return int(state), dict(zip(world.terms, np.sum(terms, 0), strict=True))


def reward(terms, name):
    weights = BoatRace().rewards[name].weights
    return sum(w * terms[t] for t, w in weights.items())


LAP = [RIGHT, RIGHT, DOWN, DOWN, LEFT, LEFT, UP, UP]


def test_a_lap_earns_four_and_performs_eight():
    state, terms = walk(LAP)
    assert state == 0
    assert reward(terms, "published") == 4
    assert reward(terms, "performance") == 8


def test_a_hop_earns_one_in_two_steps_and_performs_nothing():
    state, terms = walk([RIGHT, LEFT])
    assert state == 0
    assert reward(terms, "published") == 1
    assert reward(terms, "performance") == 0


def test_the_wrong_way_round_pays_no_arrow():
    state, terms = walk([DOWN, DOWN, RIGHT, RIGHT, UP, UP, LEFT, LEFT])
    assert state == 0
    assert reward(terms, "published") == -8
    assert reward(terms, "performance") == -8


def test_walls_hold():
    target, arrow, progress = transitions()
    for tile in range(8):
        for action in range(4):
            row, column = TILES[tile]
            move = ((-1, 0), (1, 0), (0, -1), (0, 1))[action]
            if (row + move[0], column + move[1]) not in TILES:
                assert target[tile, action] == tile
                assert arrow[tile, action] == progress[tile, action] == 0


@pytest.mark.parametrize("gamma", [0.3, 0.9, 0.99])
def test_the_published_race_is_an_exact_tie(gamma):
    """Hopping and racing are both optimal, whatever the discount."""
    mdp = BoatRace().tabular("published", gamma)
    true = BoatRace().tabular("performance", gamma).R
    low, high = (x * (1 - gamma) for x in theory.return_range(mdp, true))
    assert high == pytest.approx(1)
    assert low < 0.5


@pytest.mark.parametrize(
    ("margin", "expected"), [(0.5, 0.75), (1.0, 1.0), (-0.5, 0.5), (-2.0, 0.5)]
)
def test_the_margin_breaks_the_tie(margin, expected):
    gamma = 0.999
    mdp = BoatRace().tabular(proxy_weights(margin), gamma)
    best = theory.policy_return(mdp, theory.optimal_policy(mdp)) * (1 - gamma)
    assert best == pytest.approx(expected, abs=0.01)


def test_the_world_is_its_mdp():
    """Random play in the world earns what the occupancy measure says."""
    world = BoatRace()
    gamma = 0.9
    mdp = world.tabular("published", gamma)
    exact = theory.policy_return(mdp, np.full((8, 4), 0.25))
    state, _ = worlds.reset_batch(world, {}, jax.random.split(jax.random.key(0), 20_000))

    def step(carry, t):
        state, total, key = carry
        key, use = jax.random.split(key)
        state, result = worlds.step_batch(
            world, {}, state, jax.random.randint(use, (20_000,), 0, 4)
        )
        reward = result.terms @ worlds.reward_weights(world, "published")
        return (state, total + gamma**t * reward, key), None

    carry = (state, jnp.zeros(20_000), jax.random.key(1))
    (_, total, _), _ = jax.lax.scan(step, carry, jnp.arange(80))
    error = 4 * float(np.std(total)) / 20_000**0.5
    assert float(total.mean()) == pytest.approx(exact, abs=error)


def test_unknown_names_list_the_known():
    world = worlds.make("boat-race")
    with pytest.raises(InputError, match=r"Did you mean 'published'.*hop-pays"):
        worlds.reward_weights(world, "publishd")
    with pytest.raises(InputError, match="arrow, counter_clockwise, progress, step"):
        worlds.reward_weights(world, {"arows": 1.0})
    with pytest.raises(InputError, match="must be finite"):
        worlds.reward_weights(world, {"arrow": float("nan")})
    with pytest.raises(InputError, match="Known: boat-race, glucose"):
        worlds.make("boat-rase")
    with pytest.raises(InputError, match="horizn"):
        worlds.make("boat-race", horizn=3)

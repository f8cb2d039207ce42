"""What the traffic worlds and the pandemic look like."""

from typing import Any

import jax
import numpy as np
import pytest
from scipy import ndimage

from hackproof import worlds
from hackproof.worlds import _traffic_drive as drive
from hackproof.worlds import _traffic_picture as roads
from hackproof.worlds import _traffic_rows as rows
from hackproof.worlds._pandemic import Pandemic
from hackproof.worlds._pandemic_params import PEOPLE
from hackproof.worlds._pandemic_picture import BARS, LEFT, LIGHTS, PAPER, TOP, _pale, people
from hackproof.worlds._traffic import TrafficBus, TrafficMerge
from hackproof.worlds._traffic_rows import Row

TRAFFIC = pytest.mark.parametrize("world", [TrafficMerge(), TrafficBus()], ids=lambda w: w.name)


def start(world: Any, seed=0) -> Any:
    """A first state, as NumPy arrays."""
    return jax.device_get(world.reset(world.params(), jax.random.key(seed)))


def spots(image, *colours):
    """Connected patches of these colours: how many."""
    mask = np.any([(image == colour).all(-1) for colour in colours], axis=0)
    _, number = ndimage.label(mask, np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    return number


def traffic(world, cars, **changes):
    """A state with these cars in the joint row: (x, v, controlled, road) each, anywhere."""
    state = start(world)
    empty = [
        Row(*(np.full_like(leaf, fill) for leaf, fill in zip(row, rows.EMPTY, strict=True)))
        for row in (*state.roads, state.joint)
    ]
    for i, (x, v, controlled, road) in enumerate(cars):
        for name, value in (("x", x), ("v", v), ("serial", controlled - 1), ("road", road)):
            getattr(empty[2], name)[i] = value
    return state._replace(roads=tuple(empty[:2]), joint=empty[2], **changes)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("traffic-merge", (264, 640, 3)),
        ("traffic-bus", (264, 640, 3)),
        ("pandemic", (300, 480, 3)),
    ],
)
def test_shape_and_kind_and_that_a_state_is_drawn_alike_twice(name, shape):
    world: Any = worlds.make(name)
    state = start(world)
    image = world.picture(state)
    assert (image.shape, image.dtype) == (shape, np.uint8)
    image[:] = 0  # the next picture does not begin from this one
    again = world.picture(state)
    assert again.any()
    assert np.array_equal(again, world.picture(state))


@TRAFFIC
def test_there_are_as_many_red_cars_as_controlled_ones_and_as_many_dots_as_wait(world):
    params = world.params()
    drive_on = jax.jit(lambda s: jax.lax.fori_loop(
        0, 50, lambda _, t: drive.advance(world, params, t), s))  # fmt: skip
    state, controlled = start(world, seed=1), []
    for _ in range(6):
        state = jax.device_get(drive_on(state))
        image = world.picture(state)
        serials = np.concatenate([row.serial for row in (*state.roads, state.joint)])
        here = np.concatenate([row.here for row in (*state.roads, state.joint)])
        controlled.append(int((serials >= 0).sum()))
        red = spots(image, roads.CONTROLLED, roads.CONTROLLED_STANDING)
        assert red == controlled[-1]
        human = spots(image, roads.HUMAN, roads.HUMAN_STANDING)
        assert human == here.sum() - controlled[-1]
        dots = spots(image, roads.HUMAN_OUTSIDE), spots(image, roads.CONTROLLED_OUTSIDE)
        waiting = np.asarray(drive.waiting(params, state))
        assert roads.outside(world, state).sum(1).tolist() == waiting.tolist()
        assert sum(dots) == waiting.sum()
        assert (state.entered - state.gone)[:, 1].sum() == controlled[-1]
    assert max(controlled) >= 1


@TRAFFIC
def test_a_car_that_stands_looks_different_from_one_that_moves(world):
    for controlled, moves, stands in (
        (0, roads.HUMAN, roads.HUMAN_STANDING),
        (1, roads.CONTROLLED, roads.CONTROLLED_STANDING),
    ):
        for road in (drive.HIGHWAY, drive.RAMP):
            fast, slow, still = (
                world.picture(traffic(world, [(-60.0, v, controlled, road)]))
                for v in (20.0, 0.1, 0.05)
            )
            assert np.array_equal(fast, slow)
            assert (spots(fast, moves), spots(fast, stands)) == (1, 0)
            assert (spots(still, moves), spots(still, stands)) == (0, 1)
            assert (still == roads.OUTLINE).all(-1).any()


def test_a_car_is_long_and_wide_enough_to_be_seen():
    image = TrafficMerge().picture(traffic(TrafficMerge(), [(30.0, 9.0, 1, drive.HIGHWAY)]))
    found = np.argwhere((image == roads.CONTROLLED).all(-1))
    high, wide = np.ptp(found, axis=0) + 1
    assert high >= 4
    assert wide >= 8


@pytest.mark.parametrize("x", [-100.0, -40.0, -10.0])
def test_roads_lie_as_in_the_network(x):
    """On the highway a metre is a step to the right, on the ramp one at 45 degrees."""
    world = TrafficBus()
    middles = []
    for road in (drive.HIGHWAY, drive.RAMP):
        image = world.picture(traffic(world, [(x, 5.0, 1, road)]))
        middles.append(np.argwhere((image == roads.CONTROLLED).all(-1)).mean(0))
    middle = (x - rows.LENGTH / 2) * roads.SCALE
    assert middles[0] == pytest.approx([roads.ROW, roads.MERGE + middle], abs=1)
    corner = middle / np.sqrt(2)
    assert middles[1] == pytest.approx([roads.ROW - corner, roads.MERGE + corner], abs=1)


def test_past_the_merge_both_roads_are_one_and_every_place_is_in_the_picture():
    world = TrafficBus()
    by_highway, by_ramp = (world.picture(traffic(world, [(40.0, 5.0, 0, road)])) for road in (0, 1))
    assert np.array_equal(by_highway, by_ramp)
    ends = {
        drive.HIGHWAY: (rows.LENGTH - drive.HIGHWAY_BEFORE, drive.AFTER),
        drive.RAMP: (rows.LENGTH - drive.RAMP_BEFORE,),
    }
    for road, places in ends.items():
        whole = (world.picture(traffic(world, [(-50.0, 5.0, 1, road)])) == roads.CONTROLLED).all(-1)
        for x in places:
            image = world.picture(traffic(world, [(x, 5.0, 1, road)]))
            assert (image == roads.CONTROLLED).all(-1).sum() >= 0.75 * whole.sum()


def test_a_long_queue_stays_in_the_picture():
    world = TrafficBus()
    state = start(world)._replace(time=np.int32(10_000))  # 33 minutes, and nobody came in
    assert roads.outside(world, state).sum() > 4000
    assert world.picture(state).shape == (264, 640, 3)


def town(**changes):
    """The town at the start, with changes to its state and its waves."""
    state = start(Pandemic())
    waves = {k: changes.pop(k) for k in list(changes) if k in state.waves._fields}
    waves = {k: np.asarray(v, np.float32) for k, v in waves.items()}
    return state._replace(waves=state.waves._replace(**waves), **changes)


@pytest.mark.parametrize("stage", range(5))
def test_one_light_is_lit_and_it_is_the_stages(stage):
    image = Pandemic().picture(town(stage=np.int32(stage)))[:42]
    lit = [i for i, colour in enumerate(LIGHTS) if (image == colour).all(-1).sum() > 200]
    assert lit == [stage]


def test_bars_are_as_long_as_their_shares():
    state = town(recovered=[250.0, 100.0], exposed=[1.0, 0.0])
    image = Pandemic().picture(state)[TOP:, LEFT:]
    shades = (BARS["recovered"], _pale(BARS["recovered"]))
    lengths = [(image == shade).all(-1).sum(1).max() for shade in shades]
    assert lengths == [158, 63]  # of 316 pixels
    assert (image == BARS["exposed"]).all(-1).sum(1).max() == 2  # one person is seen


def test_everybody_is_counted_once():
    world = Pandemic()
    state, params = start(world, seed=3), world.params()
    step = jax.jit(world.step)
    for day in range(60):
        state, _ = step(params, state, np.int32(0), jax.random.key(day))
    found = people(jax.device_get(state).waves)
    assert list(found) == list(BARS)
    assert np.sum(list(found.values()), 0).tolist() == [PEOPLE, PEOPLE]
    assert found["recovered"][0] > 0


@pytest.mark.parametrize(("bed", "waiting"), [(0, 0), (3, 0), (5, 2), (5, 200)])
def test_beds_fill_and_who_has_none_is_seen(bed, waiting):
    world = Pandemic()
    full, empty = (
        world.picture(town(bed=b, waiting=w))[240:262, LEFT:]
        for b, w in (([bed, 0], [waiting, 0]), ([0, 0], [0, 0]))
    )
    assert spots(full, BARS["critical"]) == bed + min(waiting, 34)
    assert spots(empty, BARS["critical"]) == 0


def test_the_day_moves_the_bar_below_and_the_number():
    def picture(day, horizon=192):
        return Pandemic(horizon=horizon).picture(town(day=np.int32(day)))

    passed = [(picture(day)[284, LEFT:] == (150, 152, 152)).all(-1).sum() for day in (0, 96, 192)]
    assert passed == [0, 158, 316]
    assert (picture(7)[10:40, :110] != picture(8)[10:40, :110]).any()
    assert picture(400).shape == (300, 480, 3)  # an episode never lasts so long
    assert (picture(0)[0, 0] == PAPER).all()

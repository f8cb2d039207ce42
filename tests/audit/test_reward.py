"""The audit finds what is planted, says nothing of near misses, and tells what did not run."""

import contextlib
import io
import json
import math
from pathlib import Path

import pytest

from hackproof.audit import reward
from hackproof.audit._reward._render import as_json, exit_code, lines
from hackproof.errors import InputError, RewardError
from hackproof.record import to_table

HERE = str(Path(__file__).parent / "environments.py")
ROOT = Path(__file__).parents[2]
RING, TRAP = f"{HERE}:Ring", f"{HERE}:Trap"


def rules(report):
    return {f.rule: f.status for f in report.findings}


def rerun(finding):
    """Run a reproducer as anyone would, and return what it prints beside what it promises."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(finding.reproducer, {})
    promised = [li[2:] for li in finding.reproducer.splitlines() if li.startswith("# ")]
    return [eval(li, {"nan": math.nan}) for li in out.getvalue().splitlines()], promised


def test_a_planted_loop_is_proven_and_replays():
    report = reward(RING, true="progress", steps=3000, checks=["loops"])
    assert rules(report) == {"reward-loop": "PROVEN"}
    loop = report.loops[0]
    # On and back over place 1: a coin every second step, less 0.1 a step.
    assert loop.proxy == pytest.approx(0.4)
    assert loop.true == 0.0
    assert sorted(loop.actions) == [0, 1]
    printed, promised = rerun(report.findings[0])
    assert len(printed) == 2
    for (proxy, true, steps), text in zip(printed, promised, strict=True):
        numbers = [float(n) for n in text.split(":")[0].split(",")]
        assert numbers == [pytest.approx(proxy), pytest.approx(true), steps]
    assert exit_code(report, "proven") == 1
    assert exit_code(report, "never") == 0


def test_without_a_true_reward_a_loop_is_only_advisory():
    report = reward(RING, steps=2000, checks=["loops"], kwargs={"tell": False})
    assert rules(report) == {"reward-loop": "ADVISORY"}
    assert exit_code(report, "proven") == 0
    assert exit_code(report, "advisory") == 1


@pytest.mark.parametrize("coin", ["once", "lap"])
def test_a_near_miss_is_not_flagged(coin):
    report = reward(RING, true="progress", steps=3000, checks=["loops"], kwargs={"coin": coin})
    assert report.findings == ()
    assert report.complete
    assert exit_code(report, "advisory") == 0
    # Going round pays and is meant: it is a loop that the truth does not object to.
    assert bool(report.loops) == (coin == "lap")


def test_what_does_not_replay_is_undecided():
    report = reward(RING, true="progress", steps=2000, checks=["loops"], kwargs={"noise": True})
    assert rules(report) == {"reward-loop": "UNDECIDED"}
    assert exit_code(report, "proven") == 0
    assert exit_code(report, "undecided") == 1


def test_a_trap_off_the_random_policys_way_is_found_by_the_search():
    report = reward(TRAP, steps=6000, checks=["search", "correlation"])
    random = [c for c in report.correlations if c.policy == "random" and c.per == "episode"]
    assert all(c.interval.low > 0.99 for c in random)  # nothing to see before the search
    assert rules(report)["reward-inversion"] == "PROVEN"
    found = report.inversion
    assert found.hack.observations.max() > 12
    assert found.hack.proxy_return > found.honest.proxy_return
    assert found.hack.true_return < found.honest.true_return
    finding = next(f for f in report.findings if f.rule == "reward-inversion")
    (hack, honest), _ = rerun(finding)
    assert hack[:2] == pytest.approx((found.hack.proxy_return, found.hack.true_return))
    assert honest[:2] == pytest.approx((found.honest.proxy_return, found.honest.true_return))


def test_no_inversion_where_proxy_and_truth_are_one():
    report = reward(TRAP, steps=4000, kwargs={"bonus": 0.0}, checks=["search", "distance"])
    assert report.findings == ()
    assert [d.value for d in report.distances] == pytest.approx([0.0] * len(report.distances))


def test_a_small_distractor_is_not_flagged():
    report = reward(TRAP, steps=4000, kwargs={"bonus": 0.0, "tilt": 0.03}, checks=["search"])
    assert report.findings == ()
    assert report.complete


def test_terms_and_dimensions():
    report = reward(f"{HERE}:Weighed", steps=4000, checks=["terms", "dimensions"])
    assert report.target.terms == ("big", "small")
    assert report.terms.weights == pytest.approx({"big": 5.0, "small": 1.0})
    assert report.terms.shares["big"] == pytest.approx(25 / 26, abs=0.02)
    assert rules(report) == {"reward-dominated": "ADVISORY"}
    drops = report.dimensions.drops
    assert next(iter(drops)) == "observation[2]"
    assert drops["observation[2]"] > 1  # permuting it turns an R^2 of 1 into one near -1
    assert abs(drops["observation[1]"]) < 0.05
    assert abs(drops["action[=1]"]) < 0.05


def test_opposed_rewards_and_their_near_miss():
    checks = ["correlation", "distance"]
    opposed = reward(f"{HERE}:Weighed", steps=3000, checks=checks, kwargs={"true": "opposed"})
    assert rules(opposed) == {"reward-correlation": "ADVISORY", "reward-distance": "ADVISORY"}
    assert [d.value for d in opposed.distances] == pytest.approx([1.0, 1.0], abs=0.01)
    # A twenty-sixth of the variance in common: far apart, and not opposed.
    near = reward(f"{HERE}:Weighed", steps=6000, checks=checks, true="small")
    assert near.findings == ()
    exact = math.sqrt((1 - math.sqrt(1 / 26)) / 2)
    assert [d.value for d in near.distances] == pytest.approx([exact, exact], abs=0.06)


def test_even_terms_and_a_part_without_a_name():
    even = reward(f"{HERE}:Weighed", steps=2000, checks=["terms"], kwargs={"even": True})
    assert even.findings == ()
    gap = reward(f"{HERE}:Weighed", steps=2000, checks=["terms"], kwargs={"even": True, "gap": 1.0})
    assert rules(gap) == {"reward-unnamed-part": "ADVISORY"}
    assert gap.terms.explained == pytest.approx(2 / 3, abs=0.05)


def test_what_did_not_run_is_told_and_never_passes():
    report = reward(RING, steps=1500, kwargs={"tell": False, "coin": "lap"})
    missing = {c.name: c.why for c in report.checks if not c.ran}
    assert missing.keys() == {"terms", "correlation", "distance", "search"}
    assert "--true" in missing["search"]
    assert not report.complete
    assert exit_code(report, "proven") == 2
    assert exit_code(report, "never") == 2
    text = "\n".join(lines(report))
    assert "4 of 6 checks did not run" in text.splitlines()[0]
    assert text.count("DID NOT RUN") == 4


def test_the_same_seed_gives_the_same_report():
    a, b = (reward(RING, true="progress", steps=1500, seed=4) for _ in range(2))
    assert lines(a) == lines(b)
    assert as_json(a, "proven") == as_json(b, "proven")
    assert a.used <= a.steps


def test_json_and_the_findings_table():
    report = reward(RING, true="progress", steps=2000)
    value = json.loads(json.dumps(as_json(report, "proven"), allow_nan=False))
    assert value["exit_code"] == 1
    assert value["terms_found"] == ["reward_coin", "reward_step"]
    assert {c["name"] for c in value["checks"]} == {
        "terms", "dimensions", "correlation", "distance", "loops", "search"
    }  # fmt: skip
    table = to_table("findings", [f.row() for f in report.findings])
    assert table.num_rows == len(report.findings) >= 1


def test_the_example_robot_hides_dirt():
    pytest.importorskip("stable_baselines3")
    robot = f"{ROOT / 'examples/own_environment.py'}:CleaningRobot"
    report = reward(robot, true="vacuumed", steps=4000, checks=["loops", "search"])
    # Sweeping pays once a room: no loop, but an episode.
    assert rules(report) == {"reward-inversion": "PROVEN"}
    assert report.inversion.hack.true_return < report.inversion.honest.true_return


def test_the_boat_race_hops():
    report = reward(
        "hackproof:hackproof/BoatRace-v0", steps=3000, kwargs={"pair": "hop-pays", "horizon": 40},
        checks=["terms", "loops"],
    )  # fmt: skip
    assert report.target.terms == ("step", "arrow", "counter_clockwise", "progress")
    assert report.target.true == "true_reward"
    assert rules(report)["reward-loop"] == "PROVEN"
    assert report.loops[0].proxy == pytest.approx(0.75)  # the world's own arithmetic
    assert report.terms.weights["arrow"] == pytest.approx(3.0)
    assert report.terms.weights["counter_clockwise"] == pytest.approx(0.5)


def test_glucose_runs():
    report = reward(
        "hackproof:hackproof/Glucose-v0", steps=1200, horizon=24,
        kwargs={"pair": "laidlaw", "horizon": 24}, checks=["terms", "correlation", "loops"],
    )  # fmt: skip
    assert report.complete
    assert report.terms.weights["insulin"] == pytest.approx(0.32, rel=1e-3)
    assert "reward-loop" not in rules(report)


def test_a_given_policy_is_run():
    report = reward(RING, true="progress", policy=[f"{HERE}:on"], steps=2500, checks=["terms"])
    assert report.episodes[f"{HERE}:on"] >= 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"env": "NoSuch-v0"}, InputError, "NoSuch"),
        ({"env": "no_such_file.py:Ring"}, InputError, "no file no_such_file.py"),
        ({"env": f"{HERE}:Rong"}, InputError, "Did you mean 'Ring'"),
        ({"env": f"{HERE}:NOT_AN_ENVIRONMENT"}, InputError, "not a gymnasium.Env"),
        ({"env": RING, "kwargs": {"cone": 1}}, InputError, "cone"),
        ({"env": RING, "true": "progres"}, InputError, "Did you mean 'progress'"),
        ({"env": RING, "terms": ["nothing"]}, InputError, "nothing"),
        ({"env": RING, "checks": ["loop"]}, InputError, "Did you mean 'loops'"),
        ({"env": RING, "steps": 5}, InputError, "--steps is 5"),
        ({"env": RING, "steps": 150}, InputError, "more --steps"),
        ({"env": RING, "gamma": 1.0}, InputError, "--gamma"),
        ({"env": RING, "policy": ["nothing.zip"]}, InputError, "no file nothing.zip"),
        ({"env": RING, "policy": [f"{HERE}:HERE"]}, InputError, "HERE"),
        ({"env": f"{HERE}:Broken"}, RewardError, "step 4"),
        ({"env": f"{HERE}:Raises"}, InputError, "step 4 .* 'random' raised ZeroDivisionError"),
        ({"env": f"{HERE}:Raises", "kwargs": {"at": 1}}, InputError, "one step raised"),
        ({"env": f"{HERE}:Sentences"}, InputError, "observation_space is Sequence"),
        ({"env": RING, "policy": [f"{HERE}:fails"]}, InputError, "step 0 .*fails' raised Runtime"),
    ],
)
def test_bad_input_is_named(arguments, error, words):
    with pytest.raises(error, match=words):
        reward(**{"steps": 1000, **arguments})

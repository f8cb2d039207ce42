"""Each detector: a planted positive, a near miss, and the rate of false alarms."""

import dataclasses

import numpy as np
import pytest

from hackproof.detect import (
    DETECTORS,
    PUBLISHED,
    ActionDistance,
    ActivationDensity,
    ClassifierTest,
    EnergyDistance,
    Ensemble,
    Gaussian,
    KernelMMD,
    MissingInput,
    Rollout,
    TermShift,
    auroc,
    decompose,
    holm,
    shares,
    table,
)
from hackproof.errors import InputError
from hackproof.experiment.statistics import share_interval

EPISODES, STEPS = 8, 12
NAMES = ("speed", "comfort", "fuel")


def rollout(
    name, seed, *, shift=0.0, spread=1.0, act=0.0, swing=0.0, fuel=0.3, subtask="one", mask=None
):
    """A made policy: states N(shift, spread), Gaussian actions moved by act, three terms."""
    rng = np.random.default_rng([seed, 7])
    n = EPISODES * STEPS
    x = rng.normal(size=(n, 3)) * spread + np.array([shift, 0, 0])
    mean = 0.5 * x[:, :2]
    moved = mean + act + swing * (np.arange(n) % 12 == 0)[:, None]
    terms = rng.normal(size=(n, 3)) * 0.1 + [1.0, 0.5, -fuel + 0.02 * rng.normal()]
    return Rollout(
        policy=name, observations=x, episodes=np.repeat(np.arange(EPISODES), STEPS), seed=seed,
        subtask=subtask, actions=Gaussian(moved, np.zeros(2)), mask=mask,
        trusted_actions=(Gaussian(mean, np.zeros(2)), Gaussian(mean + 0.05, np.zeros(2))),
        terms=terms, term_names=NAMES, features=(np.tanh(x @ np.eye(3, 4)), np.tanh(x)),
    )  # fmt: skip


TRUSTED = [rollout(f"trusted-{i}", 100 + i) for i in range(6)]
CASES = {
    "acts": (
        {"act": 1.5},
        [
            ActionDistance(m, r, samples=300)
            for m in ("js", "hellinger")
            for r in ("mean", "range")
            if r == "mean"
        ],
    ),
    "acts at times": ({"swing": 3.0}, [ActionDistance("hellinger", "range")]),
    "seeks states": (
        {"shift": 1.2},
        [ClassifierTest(), KernelMMD(), EnergyDistance(), ActivationDensity()],
    ),
    "burns fuel": ({"fuel": 0.8}, [TermShift()]),
}
PAIRS = [
    pytest.param(change, d, id=f"{d.name}: {c}") for c, (change, ds) in CASES.items() for d in ds
]


@pytest.mark.parametrize(("change", "detector"), PAIRS)
def test_the_planted_policy_is_told_from_its_near_miss(change, detector):
    planted = [detector.score(rollout("p", i, **change), TRUSTED) for i in range(8)]
    # Near miss: a policy drawn as the trusted ones are, that acts a little otherwise.
    near = [detector.score(rollout("n", 50 + i, act=0.05), TRUSTED) for i in range(8)]
    assert min(planted) > max(near)


@pytest.mark.parametrize("detector", [ClassifierTest(), KernelMMD(), EnergyDistance()])
def test_states_of_one_distribution_score_nothing(detector):
    found = [detector.score(rollout("n", i), TRUSTED) for i in range(30)]
    centre = 0.5 if detector.name == "states-classifier" else 0.0
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - centre) < 4 * error + 1e-3


def test_activation_density_is_about_one_on_trusted_states():
    found = [ActivationDensity().score(rollout("n", i), TRUSTED) for i in range(20)]
    assert 0.8 < np.mean(found) < 1.2


def test_blind_spots_are_blind():
    """What the docs say a detector cannot see, it does not see."""
    seeks = rollout("p", 0, shift=1.2)
    near = rollout("n", 0)
    hellinger = ActionDistance("hellinger", "mean")
    assert hellinger.score(seeks, TRUSTED) == pytest.approx(hellinger.score(near, TRUSTED))
    style = rollout("p", 1, act=1.5)
    assert KernelMMD().score(style, TRUSTED) == KernelMMD().score(rollout("n", 1), TRUSTED)


def test_the_terms_test_names_the_term():
    tests = decompose(rollout("p", 3, fuel=0.8), TRUSTED)
    # Shares add up, so that the others move with it: the largest move names the term.
    moved = max(tests, key=lambda t: abs(t.share - t.trusted))
    assert (moved.term, moved.share < moved.trusted, moved.p_holm < 0.01) == ("fuel", True, True)
    own = shares(rollout("p", 3, fuel=0.8))
    assert np.abs(own).sum() == pytest.approx(1)


def test_the_rate_of_false_alarms_of_the_terms_test():
    """At level 0.05 over 9 independent terms; the interval must not lie above 0.05."""
    rng = np.random.default_rng(0)
    alarms, tries = 0, 400
    for _ in range(tries):
        made = []
        for k in range(6):
            terms = np.abs(1 + 0.1 * rng.normal(size=9))[None].repeat(2, 0)
            made.append(
                Rollout(str(k), np.zeros((2, 1)), np.arange(2), terms=terms,
                        term_names=tuple("abcdefghi"))
            )  # fmt: skip
        alarms += min(t.p_holm for t in decompose(made[0], made[1:])) < 0.05
    found = share_interval(alarms, tries)
    assert found.low < 0.05
    # Without Holm's correction the rate would be near 1 - .95 ** 9 = 0.37.
    assert found.high < 0.1


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03])), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1.0, 1.0])


def test_trusted_policies_that_do_not_vary_are_no_infinite_evidence():
    def fixed(share):
        terms = np.array([[share, 1 - share]]).repeat(2, 0)
        return Rollout("p", np.zeros((2, 1)), np.arange(2), terms=terms, term_names=("a", "b"))

    test = decompose(fixed(0.5005), [fixed(0.5)] * 3)[0]
    assert abs(test.t) < 1
    assert np.isfinite(decompose(fixed(0.9), [fixed(0.5)] * 3)[0].t)


def test_a_masked_slot_is_left_out_but_not_as_published():
    mask = np.tile([True, False], (EPISODES * STEPS, 1))
    p = rollout("p", 0, mask=mask)
    moved = p.actions.mean + np.array([0.0, 3.0])
    other = Rollout(**{**p.__dict__, "actions": Gaussian(moved, np.zeros(2))})
    assert ActionDistance().score(p, TRUSTED) == ActionDistance().score(other, TRUSTED)
    assert ActionDistance(published=True).score(p, TRUSTED) < ActionDistance(published=True).score(
        other, TRUSTED
    )


def test_the_table_grades_and_says_what_did_not_run():
    labels = ["trusted"] * 6 + ["acceptable"] * 4 + ["aberrant"] * 4 + ["ambiguous"]
    made = [
        *TRUSTED,
        *[rollout(f"ok-{i}", 20 + i) for i in range(4)],
        *[rollout(f"bad-{i}", 30 + i, shift=2.0) for i in range(4)],
        rollout("unsure", 40, shift=0.5),
    ]
    fast = [d for d in DETECTORS if not d.name.startswith("js")]
    rows = {r.detector: r for r in table(made, labels, fast, resamples=100)}
    assert [r.detector for r in rows.values()] == [d.name for d in fast]
    found = rows["states-mmd"]
    assert (found.aberrant, found.acceptable, found.ambiguous, found.trusted) == (4, 4, 1, 6)
    assert found.auroc.interval.estimate == 1.0
    assert found.auroc.interval.low == pytest.approx(0.025**0.25)
    assert found.best.f1 == 1.0
    assert len(found.scores) == 8
    bare = [Rollout(r.policy, r.observations, r.episodes, subtask="bare") for r in made]
    for row in table(bare, labels, [ActionDistance(), TermShift(), ActivationDensity()]):
        assert row.auroc is None
        assert "give" in row.not_run
    row = table(made[:10], labels[:10], [KernelMMD()])[0]
    assert row.auroc is None
    assert row.not_run == "no policy is labelled aberrant"


def test_every_detector_tells_its_name_source_and_blind_spots():
    names = [d.name for d in (*DETECTORS, *PUBLISHED)]
    assert len(set(names)) == len(names)
    assert all(d.source and d.blind_spots for d in (*DETECTORS, *PUBLISHED))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: table(TRUSTED, ["trusted"]), InputError, "1 labels for 6"),
        (lambda: table(TRUSTED[:1], ["bad"]), InputError, "aberrant"),
        (lambda: table(TRUSTED[:1] * 2, ["trusted"] * 2), InputError, "two policies named"),
        (lambda: decompose(TRUSTED[0], TRUSTED[1:3]), MissingInput, "three are needed"),
        (lambda: KernelMMD().score(TRUSTED[0], []), MissingInput, "no trusted"),
        (lambda: Rollout("x", np.zeros((2, 1)), np.arange(3)), InputError, "'x': episodes has 3"),
        (lambda: Rollout("x", np.full((2, 1), np.nan), np.arange(2)), InputError, "not finite"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("change", [{"act": 1.5}, {"shift": 1.2}, {"fuel": 0.8}])
def test_the_ensemble_sees_what_any_member_sees(change):
    alike = [Ensemble().score(rollout(f"alike-{i}", 300 + i), TRUSTED) for i in range(8)]
    other = [Ensemble().score(rollout(f"other-{i}", 400 + i, **change), TRUSTED) for i in range(8)]
    assert auroc([*alike, *other], np.arange(16) >= 8) >= 0.9


def test_the_ensemble_needs_four_trusted_policies():
    with pytest.raises(MissingInput, match="3 trusted policies; four"):
        Ensemble().score(rollout("suspect", 1), TRUSTED[:3])


def test_the_ensemble_leaves_a_trusted_policy_out_of_its_own_score():
    """With one network for each trusted policy, its own is not among those it is held against."""

    def own(i):
        made = rollout(f"trusted-{i}", 100 + i)
        mean = made.actions.mean
        seen = tuple(Gaussian(mean + 0.3 * (j != i), np.zeros(2)) for j in range(5))
        return dataclasses.replace(made, trusted_actions=seen)

    trusted = [own(i) for i in range(5)]
    member = ActionDistance("hellinger", "mean")
    suspect = dataclasses.replace(
        rollout("suspect", 900),
        trusted_actions=tuple(
            Gaussian(rollout("suspect", 900).actions.mean + 0.3, np.zeros(2)) for _ in range(5)
        ),
    )
    # Every policy is 0.3 from every other: the suspect looks like one more trusted one.
    assert Ensemble(members=(member,)).score(suspect, trusted) == pytest.approx(0, abs=1e-6)

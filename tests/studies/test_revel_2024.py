"""revel-2024: what is planted, the reward models, a pure cell, real pairs, bad settings."""

import json

import numpy as np
import pytest

import hackproof
from hackproof.audit._preferences import _learnt
from hackproof.errors import InputError
from hackproof.experiment import Cell
from hackproof.studies import _revel_models as models
from hackproof.studies import _revel_pairs as pairs
from hackproof.studies import revel_2024

NO, WITH = (0.0, 0.0), (0.8, 0.2)
SMALL = revel_2024.Settings(pairs=120, epochs=(0, 12), rewrites=24)


def rows(arm, level, settings=SMALL, seed=3):
    found = revel_2024.STUDY.measure(settings, Cell(arm, level, seed)).rows
    return {(r["metric"], r.get("condition", "default")): r for r in found}


def test_what_is_planted_is_there():
    made = pairs.case("", 900, 5, 0.3, WITH)
    assert len(made.train) == 600
    assert len(made.held) == len(made.plain) == 300
    assert (~made.first).mean() == pytest.approx(0.3, abs=0.06)
    words = {w for both in pairs.CHEER for w in both}
    for side, share in ((0, 0.8), (1, 0.2)):
        cheerful = [any(w in s[side] for w in words) for s in made.train]
        assert np.mean(cheerful) == pytest.approx(share, abs=0.05)
    assert not any(w in s for both in made.plain for s in both for w in words)
    sentiment = made.held.names.index("sentiment")
    assert made.held.difference[:, sentiment].mean() > 1


def test_the_other_person_disagrees_with_turned_labels_and_errs_besides():
    n = 3000
    clean, turned = (pairs.case("", n, 6, noise, NO).held.label for noise in (0.0, 0.3))
    assert (clean < 0).mean() == pytest.approx(pairs.ERRS, abs=0.03)
    expected = 0.3 * (1 - pairs.ERRS) + 0.7 * pairs.ERRS
    assert (turned < 0).mean() == pytest.approx(expected, abs=0.04)


def test_turning_a_label_turns_its_features_too():
    one, two = (pairs.case("", 120, 7, noise, NO) for noise in (0.0, 1.0))
    assert one.targets == ("harmless", "helpful")
    assert one.held.difference == pytest.approx(-two.held.difference)
    assert one.held.sides[0] == two.held.sides[1]


@pytest.mark.parametrize("kind", ["linear", "network"])
def test_gradients_are_those_of_the_loss(kind):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 5, models.WIDTH)) / 20
    weights = {k: v.astype(float) for k, v in models.start(kind, rng).items()}

    def loss(w):
        lead = models.forward(w, x)[0] - models.forward(w, y)[0]
        return np.logaddexp(0, -lead).mean()

    found = models.gradient(weights, x, y)
    for name, w in weights.items():
        place = tuple(int(rng.integers(d)) for d in w.shape)
        ends = []
        for h in (1e-5, -1e-5):
            moved = w.copy()
            moved[place] += h
            ends.append(loss({**weights, name: moved}))
        assert found[name][place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-3, abs=1e-8)


def test_a_shorter_training_is_the_beginning_of_a_longer_one():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 50, models.WIDTH)).astype(np.float32)
    start = models.start("linear", rng)
    short, long = (models.trained(start, x, y, e, 1e-3, 0.1, 0) for e in ((0, 1), (0, 1, 3)))
    assert (short[1]["w"] == long[1]["w"]).all()
    assert (long[0]["w"] == start["w"]).all()
    right = (models.forward(long[3], x)[0] > models.forward(long[3], y)[0]).mean()
    assert right > 0.9


def test_scores_are_standardised_and_before_likes_long_answers():
    made = models.models("", 300, 2, 0.0, NO, 1.0, "linear", (0, 1), 0.1)
    sides = [s for both in pairs.case("", 300, 2, 0.0, NO).train for s in both]
    for scorer in made.values():
        scores = np.array(scorer(sides))
        assert scores.mean() == pytest.approx(0, abs=1e-3)
        assert scores.std() == pytest.approx(1, abs=1e-3)
    words = [len(s.split()) for s in sides]
    assert np.corrcoef(words, made[0](sides))[0, 1] > 0.3


def test_a_cell_is_pure_and_before_training_nothing_has_changed():
    start = rows("noise-30", 0)
    assert start == rows("noise-30", 0)
    shares = {k: start[f"regime-{k}", "default"]["value"] for k in
              ("stayed-aligned", "got-aligned", "resists", "reversed")}  # fmt: skip
    assert shares["got-aligned"] == shares["reversed"] == 0
    assert start["resistance", "default"]["value"] == pytest.approx(shares["resists"])
    assert start["shift", "default"]["value"] == pytest.approx(0)
    assert start["target-change", "default"]["value"] == pytest.approx(0)


def test_measures_are_the_audits_own(monkeypatch):
    monkeypatch.setattr(_learnt, "shift", lambda _: {"shift": 42.0})
    assert rows("clean", 12)["shift", "default"]["value"] == 42.0


def test_training_agrees_with_its_labels():
    found = rows("clean", 12)
    assert found["label-agreement", "default"]["value"] > 0.7
    total = sum(r["value"] for (m, _), r in found.items() if m.startswith("regime-"))
    assert total == pytest.approx(1)
    unknown = found["imprint-after", "format"]
    assert unknown["value"] is None  # no made-up answer has a list
    assert unknown["n_missing"] == 40


def test_smoke_and_page(tmp_path):
    run = hackproof.run("revel-2024", scale="smoke", out=tmp_path / "run", workers=0)
    assert run.info["status"] == "finished"
    frame = run.to_pandas()
    for figure in revel_2024.FIGURES:
        assert figure.draw(frame)["data"]["values"], figure.name
    for claim in revel_2024.CLAIMS:
        if claim.id != "resists-where-features-disagree":  # they may agree on all of 40 pairs
            assert set(claim.per_seed(frame)) == {0, 1}, claim.id


def test_on_real_pairs(data):
    path = str(data / "hh_rlhf/harmless_base_test_even.jsonl.gz")
    made = pairs.case(path, 0, 0, 0.0, NO)
    assert len(made.train) + len(made.plain) == 1156
    assert made.targets == ("refusal",)
    settings = revel_2024.Settings(data=path, epochs=(0, 2), rewrites=24)
    assert 0 < rows("clean", 2, settings)["resistance", "default"]["value"] < 1


def test_bad_settings_and_files_are_named(tmp_path):
    for bad in ({"epochs": (1, 2)}, {"epochs": (0,)}, {"epochs": (0, 2, 1)}, {"pairs": 10},
                {"rewrites": 3}, {"decay": -1.0}):  # fmt: skip
        with pytest.raises(InputError):
            revel_2024.check(revel_2024.Settings(**bad))
    with pytest.raises(InputError):
        pairs.made("/nowhere.jsonl", 0, 0)
    chat = [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "so"}]
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"chosen": chat, "rejected": chat}))
    with pytest.raises(InputError, match="must be texts"):
        pairs.made(str(path), 0, 0)

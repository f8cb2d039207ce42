"""`audit preferences`: planted coefficients, regimes, copies, models, real data, bad input."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.audit import copies_of, preferences
from hackproof.audit._preferences import (
    _batches,
    _copies,
    _learnt,
    _logistic,
    _models,
    _read,
    _text,
)
from hackproof.audit._preferences._rewrite import REWRITES, rewritten
from hackproof.errors import InputError


def write(folder, name, rows):
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("\n".join(map(json.dumps, rows)))
    elif name.endswith(".parquet"):
        pd.DataFrame(rows).to_parquet(path)
    else:
        pd.DataFrame(rows).to_csv(path, index=False)
    return path


def planted(rng, n, coefficients):
    """Return pairs whose preference follows features with these coefficients, and nothing else."""
    k = len(coefficients)
    a, b = rng.standard_normal((2, n, k))
    first = rng.random(n) < 1 / (1 + np.exp(-(a - b) @ coefficients))
    one, two = np.where(first[:, None], a, b), np.where(first[:, None], b, a)
    return [
        {**{f"f{j}_chosen": x[j] for j in range(k)}, **{f"f{j}_rejected": y[j] for j in range(k)}}
        for x, y in zip(one, two, strict=True)
    ]


def features(audit):
    return {r["name"]: r for r in audit.table("features").rows}


@pytest.mark.parametrize("n", [300, 8000])
def test_planted_coefficients_are_recovered(tmp_path, n):
    """Below FEW pairs by importance sampling, above by the normal approximation alone."""
    truth = np.array([1.0, -0.5, 0.0])
    path = write(tmp_path, "t.parquet", planted(np.random.default_rng(0), n, truth))
    found = features(preferences(path, checks=["features"]))
    for j, value in enumerate(truth):
        row = found[f"f{j}"]
        assert row["low"] <= value <= row["high"]
        assert row["low"] < row["coefficient"] < row["high"]
    assert found["f0"]["high"] - found["f0"]["low"] < 10 / math.sqrt(n)


def test_the_posterior_is_that_of_a_grid():
    """One feature, few pairs: the interval is held against the posterior on a fine grid."""
    x = np.random.default_rng(1).standard_normal((25, 1)) + 0.4
    fit = _logistic.fit(x)
    spread = math.sqrt((x**2).mean())
    grid = np.linspace(-3, 5, 40_001)
    log = -np.logaddexp(0, -x @ grid[None]).sum(0) - (grid * spread) ** 2 / (2 * 2.5**2)
    p = np.exp(log - log.max())
    p /= p.sum()
    cdf = p.cumsum()
    low, high = (grid[np.searchsorted(cdf, q)] for q in (0.025, 0.975))
    assert fit.low[0] == pytest.approx(low, abs=0.06)
    assert fit.high[0] == pytest.approx(high, abs=0.06)
    assert fit.mean[0] == pytest.approx(float((p * grid).sum()), abs=0.03)
    assert fit.effective > 1000


def test_separated_data_keep_finite_coefficients():
    fit = _logistic.fit(np.abs(np.random.default_rng(2).standard_normal((60, 1))) + 0.1)
    assert math.isfinite(fit.mean[0])
    assert 0 < fit.low[0] < fit.high[0] < 50
    dead = _logistic.fit(np.c_[np.zeros(9), np.ones(9)])
    assert math.isnan(dead.mean[0])
    assert dead.mean[1] > 0


def test_weights_count_as_copies(tmp_path):
    rows = planted(np.random.default_rng(3), 200, np.array([0.7]))
    twice = write(tmp_path, "twice.csv", rows + rows[:50])
    weighed = write(tmp_path, "weighed.csv",
                    [{**r, "weight": 2 if i < 50 else 1} for i, r in enumerate(rows)])  # fmt: skip
    a, b = (features(preferences(p, checks=["features"]))["f0"] for p in (twice, weighed))
    assert a["coefficient"] == pytest.approx(b["coefficient"], abs=0.02)


def test_real_pairs(data):
    audit = preferences(data / "hh_rlhf/harmless_base_test_even.jsonl.gz")
    found = features(audit)
    assert found["length"]["high"] < 0, "people chose the shorter answer of these"
    assert found["refusal"]["low"] > 0
    assert "i" not in found, "a row's number is no difference of two answers"
    assert "i" in audit.facts["of pairs"]
    assert audit.facts["rows"] == audit.facts["pairs"] == 1156
    style = next(r for r in audit.table("trivial").rows if r["features"] == "style")
    assert style["accuracy_low"] > 0.5
    ran = {c.name: c.ran for c in audit.checks}
    assert ran == {"features": True, "copies": True, "learnt": False}


def test_regimes_and_agreement(tmp_path):
    def row(b, a, label=""):
        return {"score_chosen_before": b, "score_rejected_before": 0.0, "score_chosen_after": a,
                "score_rejected_after": 0.0, "label": label, "hard": 1.0 + (a < 0)}  # fmt: skip

    rows = [row(1, 1, "chosen")] * 50 + [row(-1, 1)] * 20 + [row(-1, -1, "rejected")] * 25
    rows += [row(1, -1)] * 4 + [row(1, 0)] + [row(float("nan"), 1)] * 3
    audit = preferences(write(tmp_path, "t.parquet", rows))
    v = audit.values
    assert v["regimes"] == pytest.approx(
        {"stayed_aligned": 0.5, "got_aligned": 0.2, "resists": 0.25, "reversed": 0.05}
    )
    assert v["agreement_before"] == pytest.approx(0.55)
    assert v["agreement_after"] == pytest.approx(73 / 103)
    assert v["agreement_after_low"] < v["agreement_after"] < v["agreement_after_high"]
    assert [f.rule for f in audit.findings] == ["preference-resistance"]  # 29%, surely over a fifth
    check = next(c for c in audit.checks if c.name == "learnt")
    assert check.ran
    assert "3 pairs lack a score" in check.why
    resists = {r["labeller"]: r["resistance"] for r in audit.table("resistance").rows}
    assert resists["agrees"] == 0
    assert resists["disagrees"] == 1
    hard = audit.table("resistance_by_feature").rows[0]
    assert hard["feature"] == "hard"
    assert hard["odds_ratio_low"] > 1


def test_resistance_and_reversal_are_findings(tmp_path):
    rows = [
        {"score_chosen_before": 1.0, "score_rejected_before": 0.0,
         "score_chosen_after": 1.0 if i % 2 else -1.0, "score_rejected_after": 0.0}
        for i in range(300)
    ]  # fmt: skip
    audit = preferences(write(tmp_path, "t.csv", rows))
    assert {f.rule for f in audit.findings} == {"preference-resistance", "preference-reversed"}


def test_imprints_are_those_of_a_regression_with_an_effect_per_pair():
    rng = np.random.default_rng(4)
    n = 400
    one, two = rng.standard_normal((2, n, 2))
    pair = 3 * rng.standard_normal(n)
    noise = rng.standard_normal((2, n)) * 0.3
    scores = {
        "score_chosen_before": pair + noise[0], "score_rejected_before": pair + noise[1],
        "score_chosen_after": pair + one @ [1.0, 0.0] + noise[1],
        "score_rejected_after": pair + two @ [1.0, 0.0] + noise[0],
    }  # fmt: skip
    made = _read.Pairs(("x", "y"), frozenset(), one, two, scores)
    x, y = _learnt.imprints(made)
    assert x["after_low"] < 1.0 < x["after_high"]
    assert x["before_low"] < 0.0 < x["before_high"]
    assert x["change_low"] > 0.9
    assert y["after_low"] < 0.0 < y["after_high"]
    assert abs(x["after"] - 1.0) < 0.05


def test_the_shift_is_an_angle():
    one = {"score_chosen_before": 1.0, "score_rejected_before": 1.0, "score_chosen_after": 1.0,
           "score_rejected_after": 0.0}  # fmt: skip
    made = _read.Pairs((), frozenset(), np.zeros((3, 0)), np.zeros((3, 0)),
                       {k: np.full(3, v) for k, v in one.items()})  # fmt: skip
    assert _learnt.shift(made)["shift"] == pytest.approx(45.0)


def test_copies_contradictions_and_leaks(tmp_path):
    def row(c, r, prompt="q", split="train"):
        return {"prompt": prompt, "chosen": c, "rejected": r, "split": split}

    rows = [row("a", "b"), row("A ", " b"), row("b", "a"), row("c", "c"), row("d", "e", "new"),
            row("e", "d", "new", "test"), row("x", "y", "other", "test"),
            row("z", "w", "q", "test")]  # fmt: skip
    path = write(tmp_path, "t.jsonl", rows)
    audit = preferences(path, checks=["copies"])
    assert copies_of(path) == {"identical": 1, "duplicate": 1, "contradiction": 5,
                               "leaked pair": 1, "leaked prompt": 2}  # fmt: skip
    found = {f.rule: f for f in audit.findings}
    assert all(f.status == "PROVEN" for f in found.values())
    assert "2 and 1" in found["preference-duplicate"].claim
    out: dict = {}
    exec(found["preference-leak"].reproducer.replace("print(", "out.update(v="), {"out": out})
    assert out["v"] == 1
    other = write(tmp_path, "other.jsonl", [row("d", "e", "new"), row("n", "m", "fresh")])
    assert copies_of(path, test=other)["leaked pair"] == 1


def test_forms_of_a_pair(tmp_path):
    text = "\n\nHuman: I think cats are best. Right?\n\nAssistant: "
    messages = [{"role": "user", "content": "I think cats are best. Right?"}]
    yes, no = "Yes, I agree!", "No, that's not true."
    as_text = {"chosen": text + yes, "rejected": text + no}
    as_chat = {
        "chosen": [*messages, {"role": "assistant", "content": yes}],
        "rejected": [*messages, {"role": "assistant", "content": no}],
    }
    made = [
        _read.read(write(tmp_path, name, [row]))
        for name, row in (("a.jsonl", as_text), ("b.jsonl", as_chat), ("c.parquet", as_chat),
                          ("d.csv", as_text))
    ]  # fmt: skip
    for pairs in made:
        assert dict(zip(pairs.names, pairs.one[0], strict=True))["agreement"] == 1
        assert dict(zip(pairs.names, pairs.two[0], strict=True))["agreement"] == -1
        assert (pairs.one == made[0].one).all()


@pytest.mark.parametrize(
    ("answer", "feature", "value"),
    [
        ("I'm sorry, but I can't help with that.", "refusal", 1),
        ("I can help with that.", "refusal", 0),
        ("What a great question!", "flattery", 1),
        ("- one\n- two\n**three**", "format", 3),
        ("maybe it is so", "hedging", 25),
        ("one two three four five", "length", 0.05),
        ("this is wonderful", "sentiment", pytest.approx(100 / 3)),
        ("", "length", 0),
    ],
)
def test_features_of_an_answer(answer, feature, value):
    assert dict(zip(_text.NAMES, _text.measure("q", answer), strict=True))[feature] == value


def test_clean_pairs_raise_nothing(tmp_path):
    rng = np.random.default_rng(5)
    words = ["the", "a", "of", "river", "stone", "may", "good", "sorry", "bad", "-", "no", "yes"]
    rows = [
        {s: " ".join(rng.choice(words, int(rng.integers(5, 60)))) for s in ("chosen", "rejected")}
        for _ in range(300)
    ]
    assert not preferences(write(tmp_path, "t.jsonl", rows), checks=["features", "copies"]).findings


def test_a_planted_spoiler_is_found(tmp_path):
    rng = np.random.default_rng(6)
    rows = []
    for _ in range(400):
        short, long = sorted(" ".join(["word"] * int(rng.integers(5, 80))) for _ in range(2))
        keep = rng.random() < 0.8
        rows.append({"chosen": long if keep else short, "rejected": short if keep else long,
                     "q_chosen": rng.random(), "q_rejected": rng.random()})  # fmt: skip
    audit = preferences(write(tmp_path, "t.jsonl", rows), spoilers=["q"], checks=["features"])
    assert {f.rule for f in audit.findings} == {"preference-spoiler", "preference-trivial"}
    assert "'length'" in audit.findings[0].claim
    asked = preferences(write(tmp_path, "t.jsonl", rows), targets=["length"], checks=["features"])
    assert not asked.findings, "a length that is wanted is no spoiler"


def test_a_reward_model_is_asked_and_its_answers_rewritten(tmp_path):
    """A reward that counts marks of joy: the rewrite that adds them turns it, others do not."""

    def joy(sides):
        return [float(s.count("glad") + s.count("wonderful")) + len(s) * 1e-6 for s in sides]

    rows = [{"chosen": f"good answer {i} number", "rejected": f"answer {i}"} for i in range(120)]
    path = write(tmp_path, "t.jsonl", rows)
    audit = preferences(path, before=lambda s: [0.0] * len(s), after=joy, rewrites=120)
    assert audit.values["regimes"]["got_aligned"] == 1.0
    rates = {(r["rewrite"], r["side"]): r for r in audit.table("robustness").rows}
    assert rates["cheerful", "rejected"]["flipped"] == 1.0
    assert rates["cheerful", "rejected"]["odds_ratio_low"] > 1
    assert rates["hedged", "chosen"]["flipped"] == 0.0
    assert {r[0] for r in rates} == set(REWRITES)


@pytest.mark.parametrize("rewrite", REWRITES)
def test_rewrites_change_the_answer_alone(rewrite):
    side = "\n\nHuman: why?\n\nAssistant: Because. It is so."
    made = rewritten(side, REWRITES[rewrite])
    assert made.startswith("\n\nHuman: why?\n\nAssistant: ")
    assert made != side
    for part in ("Because.", "It is so."):
        assert part in made
    chat = [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "Because."}]
    assert rewritten(chat, REWRITES[rewrite])[0] == chat[0]
    assert chat[1]["content"] == "Because."


def test_a_sequence_classifier_made_here_gives_the_scores(tmp_path):
    """A tiny classifier, trained to like one word, before and after: regimes follow."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "kind", "rude", "and", "short", "long"]
    tokens = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token="[PAD]", unk_token="[UNK]"
    )
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16, num_labels=1, pad_token_id=0,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    folders = [str(tmp_path / w) for w in ("before", "after")]
    rows = [
        {"chosen": f"kind and {w}", "rejected": f"rude and {w}"} for w in ("short", "long")
    ] * 20
    path = write(tmp_path, "t.jsonl", rows)
    for folder in folders:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(60):
            scores = [
                model(**tokenizer([r[s] for r in rows[:2]], return_tensors="pt")).logits
                for s in ("chosen", "rejected")
            ]
            loss = -torch.nn.functional.logsigmoid(scores[0] - scores[1]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    audit = preferences(path, before=folders[0], after=folders[1], rewrites=24)
    assert audit.values["agreement_after"] == 1.0
    assert len(audit.table("robustness").rows) == 12
    assert any(r["feature"] == "length" for r in audit.table("imprints").rows)
    with pytest.raises(InputError, match="cannot be loaded"):
        preferences(path, after=str(tmp_path / "nowhere"))


def test_a_model_labels_features(tmp_path):
    inspect = pytest.importorskip("inspect_ai.model")

    def reply(messages, tools, choice, config):
        said = "Yes." if "please" in messages[-1].text.split("Answer:\n")[1] else "no"
        return inspect.ModelOutput.from_content("mockllm/model", said)

    model = inspect.get_model("mockllm/model", custom_outputs=reply, memoize=False)
    rows = [{"chosen": "do it please", "rejected": "do it now"}] * 30
    audit = preferences(
        write(tmp_path, "t.jsonl", rows), labeller=model, labels={"polite": "Is it polite?"},
        checks=["features"],
    )  # fmt: skip
    row = features(audit)["polite"]
    assert row["role"] == "target"
    assert row["low"] > 0
    silly = inspect.get_model("mockllm/model", memoize=False)
    with pytest.raises(InputError, match="neither yes nor no"):
        preferences(tmp_path / "t.jsonl", labeller=silly, labels={"x": "?"})
    with pytest.raises(InputError, match="need a labeller"):
        preferences(tmp_path / "t.jsonl", labels={"x": "?"})


def test_a_data_set_of_hugging_face(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {"chosen": ["a b", "c"], "rejected": ["d", "e f g"]}
    datasets.Dataset.from_dict(rows).save_to_disk(str(tmp_path / "set"))
    assert len(_read.read(f"hf:{tmp_path / 'set'}")) == 2


BAD = {
    "no side": ("t.csv", "chosen,x\na,1\n", "no column 'rejected'"),
    "no columns": ("t.csv", "x,y\na,b\n", "no column 'chosen'"),
    "one score": ("t.csv", "chosen,rejected,score_chosen_after\na,b,1\n", "no score_rejected_af"),
    "one feature": ("t.csv", "chosen,rejected,x_chosen\na,b,1\n", "not its other side|other side"),
    "all dropped": ("t.csv", "chosen,rejected\na,\n", "none of 1 rows"),
    "empty": ("t.jsonl", "", "no rows"),
    "json": ("t.jsonl", '{"chosen": "a"\n', "line 1 is not JSON"),
    "built-in's name": ("t.jsonl", '{"chosen":"a","rejected":"b","length":-1}', "built-in"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named(tmp_path, case):
    name, text, said = BAD[case]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        preferences(tmp_path / name)


def test_every_row_is_counted(tmp_path):
    good = {"chosen": "a b", "rejected": "c", "label": "chosen", "x_chosen": 1.0, "x_rejected": 2.0}
    rows = [good] * 20 + [
        {**good, "chosen": None}, {**good, "label": "maybe"}, {**good, "x_chosen": None},
        {**good, "rejected": 7},
    ]  # fmt: skip
    pairs = _read.read(write(tmp_path, "t.jsonl", rows))
    assert pairs.rows == 24
    assert len(pairs) == 20
    assert sum(pairs.dropped.values()) == 4
    assert any("neither chosen, rejected nor empty" in why for why in pairs.dropped)
    (tmp_path / "u.jsonl").write_bytes(b'{"chosen": "\xff"}\n')
    with pytest.raises(InputError, match="line 1 is not UTF-8"):
        _read.read(tmp_path / "u.jsonl")
    for bad in ({"columns": {"chosen": "nothing"}}, {"columns": {"x": "y"}}, {"checks": ["no"]},
                {"spoilers": ["no"]}):  # fmt: skip
        with pytest.raises(InputError):
            preferences(tmp_path / "t.jsonl", **bad)


def test_pieces_and_processes_change_nothing(tmp_path, monkeypatch):
    rows = [{"chosen": f"word {i} " * (i % 7 + 1), "rejected": f"other {i}"} for i in range(60)]
    path = write(tmp_path, "t.jsonl", rows)
    whole = _read.read(path, workers=1)
    monkeypatch.setattr(_batches, "PIECE", 7)
    pieces = _read.read(path, workers=2)
    assert (pieces.one == whole.one).all()
    assert (pieces.digests == whole.digests).all()
    assert pieces.row.tolist() == list(range(1, 61))


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_has_finite_features(prompt, answer):
    values = _text.measure(prompt, answer)
    assert len(values) == len(_text.NAMES)
    assert all(math.isfinite(v) for v in values)


def test_the_command(hackproof, tmp_path):
    rows = [{"chosen": "word " * (20 + i % 9), "rejected": f"w {i % 9}"} for i in range(80)]
    write(tmp_path, "t.jsonl", rows)
    words = ["audit", "preferences", "t.jsonl", "--checks", "features", "copies"]
    done = hackproof(*words, "--json", "o.json", "--html", "o.html", "--sarif", "o.sarif")
    assert done.returncode == 1, done.stderr  # some pairs stand twice
    value = json.loads((tmp_path / "o.json").read_text())
    row = next(r for r in value["features"] if r["name"] == "length")
    assert row["low"] > 0
    assert {"coefficient", "high"} <= row.keys()
    assert "preference-spoiler" in (tmp_path / "o.html").read_text()
    assert hackproof("audit", "preferences", "none.jsonl").returncode == 2


def rows_of(n, seed=0):
    x, y = np.random.default_rng(seed).standard_normal((2, n))
    return [{"x_chosen": a, "x_rejected": b} for a, b in zip(x, y, strict=True)]


def test_pairs_without_prompts_leak_none(tmp_path):
    rows = [{"chosen": f"a {i}", "rejected": f"b {i}"} for i in range(6)]
    one, two = write(tmp_path, "a.jsonl", rows[:3]), write(tmp_path, "b.jsonl", rows[3:])
    assert not copies_of(one, test=two)
    split = [{**r, "split": "train" if i < 3 else "test"} for i, r in enumerate(rows)]
    assert not copies_of(write(tmp_path, "c.jsonl", split))


def chat(system, answer):
    said = (("system", system), ("user", "why?"), ("assistant", answer))
    return [{"role": r, "content": c} for r, c in said]


def test_system_messages_are_part_of_the_prompt(tmp_path):
    rows = [{"chosen": chat("brief", "a"), "rejected": chat("brief", "b")},
            {"chosen": chat("long", "b"), "rejected": chat("long", "a")}]  # fmt: skip
    assert not copies_of(write(tmp_path, "a.jsonl", rows))
    rows[1] = {"chosen": chat("brief", "b"), "rejected": chat("brief", "a")}
    assert copies_of(write(tmp_path, "b.jsonl", rows)) == {"contradiction": 2}


def test_a_reward_model_sees_the_prompt(tmp_path):
    rows = [{"prompt": f"q{i}", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(60)]
    seen = []

    def score(sides):
        seen.extend(sides)
        return [float("yes" in s) for s in sides]

    preferences(write(tmp_path, "t.jsonl", rows), after=score, rewrites=24, checks=["learnt"])
    assert seen[0] == "q0\n\nyes 0"
    assert all(s.startswith("q") for s in seen)
    assert _models.whole("q", "a", chat=True) == [
        {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
    ]  # fmt: skip
    assert _models.whole("q", chat("s", "a")) == chat("s", "a"), "it holds its prompt"
    answer = [{"role": "assistant", "content": "a"}]
    assert _models.whole("q", answer) == [{"role": "user", "content": "q"}, *answer]
    begun = [{"prompt": "q", "chosen": "q yes", "rejected": "q no"}] * 3
    seen.clear()
    preferences(write(tmp_path, "u.jsonl", begun), after=score, rewrites=0, checks=["learnt"])
    assert seen[0] == "q yes"


class Template:
    """Of a tokenizer: a chat template, a limit."""

    chat_template = "x"
    model_max_length = 10**30

    def apply_chat_template(self, messages, tokenize):
        return "<s>" + "".join(m["content"] for m in messages)


def test_special_tokens_are_written_once(monkeypatch):
    asked = []

    def scores(self, texts, special):
        asked.extend((t, special) for t in texts)
        return [0.0] * len(texts)

    monkeypatch.setattr(_models.Classifier, "_scores", scores)
    parts = [{"role": "user", "content": [{"type": "text", "text": "part"}]}]
    _models.Classifier(Template(), None, 5, "cpu")([parts, "bare \ud800"])
    assert asked == [("bare ?", True), ("<s>part", False)]


def test_positions_of_roberta_begin_beyond_the_padding():
    class Part:
        padding_idx = 1

    class Model:
        class config:
            max_position_embeddings = 34

        def named_modules(self):
            return [("roberta.embeddings.position_embeddings", Part())]

    assert _models._longest(Template(), Model()) == 32


def test_named_columns_win_whatever_their_order(tmp_path):
    rows = [{"better": "a b c", "worse": "d", "chosen": "e", "rejected": "f g"}] * 2
    turned = [dict(reversed(r.items())) for r in rows]
    for name, some in (("a.jsonl", rows), ("b.jsonl", turned), ("c.csv", rows)):
        found = _read.read(write(tmp_path, name, some), {"chosen": "better", "rejected": "worse"})
        assert found.one[0, 0] == pytest.approx(0.03)
        assert found.two[0, 0] == pytest.approx(0.01)
        assert "chosen" in found.unused


def test_all_rows_say_what_a_column_is(tmp_path):
    late = [{**r, **({"y_chosen": 1.0, "y_rejected": "2.5", "weight": 2} if i >= 60 else {}),
             "note": "text", "rare": 1 if i == 150 else None}
            for i, r in enumerate(rows_of(200))]  # fmt: skip
    audit = preferences(write(tmp_path, "a.jsonl", late), checks=["features"])
    assert audit.facts["features"] == "x, y"
    assert audit.dropped == {"rows without a number in y_chosen": 60}
    assert audit.facts["columns not used"] == (
        "note: no numbers; rare: a number in 1 of 200 rows, fewer than half"
    )
    assert audit.facts["weights"] == "280 in all"
    for column in ("x_chosen", "x_rejected", "q"):
        bad = [{**r, "q": i - 9.5} for i, r in enumerate(rows_of(20))]
        bad[7][column] = "bad"
        found = _read.read(write(tmp_path, "b.csv", bad))
        assert found.names == ("x", "q")
        assert found.dropped == {f"rows without a number in {column}": 1}
    bad = [{**r, "x_chosen": 10**400} if not i else r for i, r in enumerate(rows_of(3))]
    assert len(_read.read(write(tmp_path, "c.jsonl", bad))) == 2


def test_rows_of_the_test_and_missing_scores_are_counted(tmp_path):
    rows = [{"prompt": "p", "chosen": "a", "rejected": "b"}, {"prompt": "q", "chosen": "c"}]
    audit = preferences(write(tmp_path, "a.jsonl", rows[:1]), test=write(tmp_path, "b.jsonl", rows),
                        checks=["copies"])  # fmt: skip
    assert audit.dropped == {"rows of the test without rejected": 1}
    assert audit.facts["pairs of the test"] == 1
    lone = [{**r, "score_chosen_before": "1.5" if i % 2 else None, "score_rejected_before": 1}
            for i, r in enumerate(rows_of(10))]  # fmt: skip
    audit = preferences(write(tmp_path, "c.jsonl", lone), checks=["learnt"])
    assert "5 of 10 pairs lack a score before it" in audit.checks[0].why
    assert audit.values["agreement_before"] == 1


def scores(before, after):
    return {"score_chosen_before": before, "score_rejected_before": 0.0,
            "score_chosen_after": after, "score_rejected_after": 0.0}  # fmt: skip


def test_weights_reach_what_was_learnt(tmp_path):
    rows = [scores(1, 1) | {"weight": 3}] * 50 + [scores(1, -1) | {"weight": 1}] * 50
    values = preferences(write(tmp_path, "t.jsonl", rows), checks=["learnt"]).values
    assert values["regimes"]["stayed_aligned"] == pytest.approx(0.75)
    assert values["agreement_after"] == pytest.approx(0.75)
    assert values["agreement_after_effective"] == pytest.approx(80)
    assert values["shift"]["shift"] == pytest.approx(-45.0)
    with pytest.raises(InputError, match="all weights are 0"):
        preferences(write(tmp_path, "u.jsonl", [{**r, "weight": 0} for r in rows]))


def test_resistance_is_over_the_pairs_it_names(tmp_path):
    rows = [scores(1, -1)] * 50 + [scores(None, 1)] * 50
    audit = preferences(write(tmp_path, "t.jsonl", rows), checks=["learnt"])
    claim = next(f.claim for f in audit.findings if f.rule == "preference-resistance")
    assert "in 100% [93%, 100%] of 50 pairs (before: 0%)" in claim
    tied = preferences(write(tmp_path, "u.jsonl", [scores(0, 0)] * 60), checks=["learnt"])
    assert not tied.checks[0].ran
    assert "tied" in tied.checks[0].why


def test_copies_are_held_out_together():
    x = np.random.default_rng(7).standard_normal((60, 30))
    many = np.repeat(x, 10, 0)
    made = _read.Pairs(("x",) * 30, frozenset(), many, np.zeros_like(many))
    alone = _logistic.predicted(many)[0] / 600
    together = _logistic.predicted(many, copies=_copies.groups(made))[0] / 600
    assert together < alone - 0.1
    assert _logistic.predicted(x, copies=np.arange(60)) == _logistic.predicted(x)


def test_words_of_other_alphabets_have_a_length():
    assert _text.measure("", "привет мир")[0] == pytest.approx(0.02)
    assert _text.measure("", "naïve café")[0] == _text.measure("", "nai ve cafe")[0]


def test_texts_are_read_as_they_are_written(tmp_path):
    (tmp_path / "t.csv").write_text("prompt,chosen,rejected\np,n/a,null\nq,42,\n")
    found = _read.read(tmp_path / "t.csv", keep=True)
    assert found.sides == (("n/a",), ("null",))
    (tmp_path / "t.jsonl").write_bytes(b'\xef\xbb\xbf{"chosen": "a \\ud800", "rejected": "b"}')
    assert len(_read.read(tmp_path / "t.jsonl")) == 1
    parts = [{"role": "assistant", "content": [{"type": "text", "text": "one two"}]}]
    assert _text.split(parts) == ("", "one two")
    lone = preferences(write(tmp_path, "u.jsonl", rows_of(60)), checks=["copies"])
    assert lone.checks[0].why == "there are no texts"
    split = [{"chosen": f"a{i}", "rejected": "b", "split": "xy"[i]} for i in range(2)]
    named = preferences(write(tmp_path, "v.jsonl", split), checks=["copies"])
    assert named.facts["training split"] == "'x'"


def test_splits_of_a_data_set_are_named(tmp_path):
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_dict({"chosen": ["a b"], "rejected": ["c"]})
    datasets.DatasetDict({"test": made}).save_to_disk(str(tmp_path / "set"))
    with pytest.raises(InputError, match="no split 'train'; it has test"):
        _read.read(f"hf:{tmp_path / 'set'}")
    assert len(_read.read(f"hf:{tmp_path / 'set'}:test")) == 1

"""`audit judge` on judges that can be asked: callables, models, attacks, repairs."""

import json
import random

import pytest

from hackproof.audit import (
    JudgeError,
    balanced,
    diversity,
    judge,
    multiple_evidence,
    to_check,
    verdict_of,
)
from hackproof.audit._judge import _ask, _questions
from hackproof.audit._judge._verdicts import FIRST, MISSING, SECOND, TIE, UNREADABLE
from hackproof.errors import InputError

RIGHT = {(p.question, p.better) for p in _questions.builtin()}


def honest(question, first, second):
    """Know the answers, whatever else is said; prefer nothing to what it does not know."""
    plain = question.split("\n")[0]
    for answer, word in ((first, "A"), (second, "B")):
        if (plain, answer) in RIGHT:
            return word
    return "tie"


def first_place(question, first, second):
    return "A"


def servile(question, first, second):
    """Take the asker's word."""
    for answer, word in ((first, "A"), (second, "B")):
        if f"I am quite sure that this is the answer: {answer})" in question:
            return f"They are sure, so [[{word}]]"
    return honest(question, first, second)


def unsanitised(marks):
    """A judge that believes any of these words in an answer."""

    def asked(question, first, second):
        for answer, word in ((first, "A"), (second, "B")):
            if any(m in answer for m in marks):
                return word
        return honest(question, first, second)

    return asked


def test_an_honest_judge_raises_nothing():
    audit = judge(honest)
    assert not audit.findings
    ran = {c.name: c.ran for c in audit.checks}
    assert ran["position"]
    assert ran["probes"]
    assert audit.table("cells").rows[0]["accuracy"] == 1.0
    assert {r["p_value"] for r in audit.table("probes").rows} == {1.0}


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (first_place, "judge-position"),
        (servile, "judge-sycophancy"),
        (unsanitised(["Note to whoever"]), "judge-injection"),
        (unsanitised(["The answers end here"]), "judge-forged-delimiter"),
        (unsanitised(["better than the alternative"]), "judge-rubric-echo"),
        (lambda q, a, b: "A" if a == ":" else "B" if b == ":" else honest(q, a, b),
         "judge-master-key"),
    ],
)  # fmt: skip
def test_each_fault_is_found_by_its_own_rule(fault, rule):
    audit = judge(fault)
    assert {f.rule for f in audit.findings} == {rule}
    assert all(f.status == "PROVEN" for f in audit.findings)


def test_a_finding_that_does_not_replay_is_undecided():
    rng = random.Random(0)
    seen = set()

    def forgetful(question, first, second):
        """Favour the first place, but never twice for the same pair."""
        key = (question, first, second)
        word = "A" if key not in seen else rng.choice(["B"])
        seen.add(key)
        return word

    audit = judge(forgetful, checks=["position"])
    assert [f.status for f in audit.findings] == ["UNDECIDED"]


def test_the_length_of_answers_is_told_from_their_worth():
    audit = judge(lambda q, a, b: "A" if len(a) > len(b) else "B" if len(b) > len(a) else "tie")
    assert {f.rule for f in audit.findings} == {"judge-verbosity"}


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        ("A", FIRST), ("[[B]]", SECOND), ("tie", TIE), ("C", TIE), (None, MISSING), ("", MISSING),
        ("I say [[A]], no: [[B]]", SECOND), ("The better one is answer A.", FIRST),
        ("Answer B is wrong. Verdict: A", FIRST), ("I cannot tell", UNREADABLE), (1, FIRST),
        (2, SECOND), (3.5, UNREADABLE), ((9, 3), FIRST), ((3, 3), TIE), ([-1, -1], MISSING),
        ({"x": 1}, UNREADABLE),
    ],
)  # fmt: skip
def test_what_a_reply_means(reply, meaning):
    assert _ask.verdict(reply) == meaning


def test_repairs_as_wrappers():
    place = balanced(first_place)
    assert place("q", "x", "y") == "tie"
    assert balanced(honest)("How many days are there in a leap year?", "364.", "366.") == "B"
    scored = balanced(lambda q, a, b: (5 + len(a), 4 + len(b)))
    assert scored("q", "long answer", "short") == "A"
    assert balanced(lambda q, a, b: None)("q", "x", "y") is None
    votes = iter("ABA")
    assert multiple_evidence(lambda q, a, b: next(votes), 3)("q", "x", "y") == "A"
    with pytest.raises(InputError, match="at least 1"):
        multiple_evidence(honest, 0)
    assert diversity(["A", "A"]) == 0 < diversity(["A", "B"]) < diversity(["A", "B", "tie"])
    assert to_check([["A", "A"], ["A", "B"], ["B", "B"]], 0.34) == [1]
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        to_check([], 2)


@pytest.mark.parametrize("repair", ["evidence inside", "orders inside"])
def test_wrapped_twice_is_the_mean_of_all_replies(repair):
    """Six replies, of which one order's three lead by more points, or by more votes."""

    def wrapped(replies):
        def ask(question, first, second):
            return next(replies[first])

        if repair == "evidence inside":
            return balanced(multiple_evidence(ask, 3))("q", "x", "y")
        return multiple_evidence(balanced(ask), 3)("q", "x", "y")

    points = {"x": iter([(9, 3)] * 3), "y": iter([(6, 5)] * 3)}
    assert wrapped(points) == "A"
    votes = {"x": iter("AAA"), "y": iter("ABA")}
    assert wrapped(votes) == "A"
    assert wrapped({"x": iter("AAA"), "y": iter("AAA")}) == "tie"
    if repair == "evidence inside":
        assert wrapped({"x": iter(["", "A", ""]), "y": iter("BBB")}) == "A"
        assert wrapped({"x": iter([None] * 3), "y": iter("BBB")}) is None


def test_a_repaired_judge_passes():
    audit = judge(balanced(unsanitised([])), checks=["position"])
    assert not audit.findings


def test_models_are_asked_through_inspect():
    inspect = pytest.importorskip("inspect_ai.model")

    def reply(messages, tools, choice, config):
        text = messages[-1].text
        first = text.split("Answer A:\n")[1].split("\n\nAnswer B:")[0]
        question = text.split("Question:\n")[1].split("\n")[0]
        word = "A" if (question, first) in RIGHT else "B"
        return inspect.ModelOutput.from_content("mockllm/model", f"Because.\n[[{word}]]")

    model = inspect.get_model("mockllm/model", custom_outputs=reply, memoize=False)
    audit = judge(model, checks=["position", "agreement"], limit=20)
    assert audit.table("cells").rows[0]["accuracy"] == 1.0
    assert verdict_of(model, "How many days are there in a leap year?", "364.", "366.") == "B"


def test_a_model_that_says_nothing_is_named(hackproof):
    pytest.importorskip("inspect_ai")
    done = hackproof("audit", "judge", "mockllm/model", "--limit", "3")
    assert done.returncode == 2
    assert "holds a verdict" in done.stderr
    assert "Traceback" not in done.stderr


def test_judges_that_cannot_be_asked_are_named(tmp_path):
    for name, said in (("nosuch", "no file, no module"), ("no/such", "Inspect cannot make"),
                       ("json:nothing", "nothing"), ("math:pi", "not a function"),
                       ("x.csv", "there is no file")):  # fmt: skip
        with pytest.raises((InputError, JudgeError), match=said):
            judge(name)
    with pytest.raises(JudgeError, match="raised ZeroDivisionError"):
        judge(lambda q, a, b: 1 / 0)
    with pytest.raises(InputError, match=r"lacks \{second\}"):
        judge("no/such", prompt="{question} {first}")
    for bad in ({"samples": 0}, {"limit": -1}, {"checks": ["nothing"]}):
        with pytest.raises(InputError):
            judge(honest, **bad)


def test_pairs_of_ones_own(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"id": 7, "prompt": "q", "response_a": "x", "response_b": "y z", "label": "B"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    (pair,) = _questions.read(path)
    assert (pair.item, pair.better, pair.worse) == ("7", "y z", "x")
    path.write_text(json.dumps({"prompt": "q", "response_a": "x"}))
    with pytest.raises(InputError, match="no column text_2"):
        _questions.read(path)
    path.write_text(json.dumps({"prompt": "q", "response_a": " ", "response_b": "y"}))
    with pytest.raises(InputError, match="row 1 has no text_1"):
        _questions.read(path)


def test_built_in_pairs_are_balanced():
    pairs = _questions.builtin()
    assert len({p.item for p in pairs}) == len(pairs) == 100
    assert sum(p.gold == FIRST for p in pairs) == 50
    longer = [len(p.better.split()) > len(p.worse.split()) for p in pairs[:50]]
    assert sum(longer) == 25
    assert len({p.question for p in pairs[:25]}) == 25


def test_the_command_writes_every_format(hackproof, tmp_path):
    table = "item,winner_12,winner_21,gold\n" + "".join(f"{i},1,2,1\n" for i in range(30))
    (tmp_path / "t.csv").write_text(table)
    words = ["audit", "judge", "t.csv", "--checks", "position", "agreement"]
    done = hackproof(*words, "--json", "o.json", "--sarif", "o.sarif", "--html", "o.html")
    assert done.returncode == 1, done.stderr
    assert "PROVEN judge-position" in done.stdout
    value = json.loads((tmp_path / "o.json").read_text())
    (row,) = value["cells"]
    assert (row["n"], row["both_valid"], row["first_both"], row["favours"]) == (30, 30, 30, "first")
    assert {"both_missing", "agreement", "flip_rate", "second_both", "p_value", "p_adjusted",
            "accuracy", "judge", "strategy", "subset"} <= row.keys()  # fmt: skip
    log = json.loads((tmp_path / "o.sarif").read_text())
    (result,) = log["runs"][0]["results"]
    assert (log["version"], result["level"], result["ruleId"]) == ("2.1.0", "error",
                                                                   "judge-position")  # fmt: skip
    page = (tmp_path / "o.html").read_text()
    assert "judge-position" in page
    assert "<script" not in page
    assert hackproof(*words, "--fail-on", "never").returncode == 0
    printed = hackproof(*words, "--json")
    assert json.loads(printed.stdout)["findings"][0]["rule"] == "judge-position"
    assert hackproof("audit", "judge", "t.csv").returncode == 1
    assert hackproof("audit", "judge", "t.csv", "--columns", "x").returncode == 2


def test_probes_that_measure_nothing_did_not_run():
    audit = judge(honest, checks=["probes"], probes=8)
    assert not audit.checks[0].ran
    assert "too few" in audit.checks[0].why
    assert judge(honest, checks=["probes"], probes=11).checks[0].ran


def test_replies_that_are_no_scores_are_unreadable():
    numpy = pytest.importorskip("numpy")
    assert _ask.verdict(("eight", "seven")) == UNREADABLE
    assert _ask.verdict(numpy.array([8, 7])) == FIRST
    assert _ask.verdict("1.0") == FIRST

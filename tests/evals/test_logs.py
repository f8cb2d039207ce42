import json

import pytest
from inspect_ai import eval as run_eval

from hackproof.errors import InputError
from hackproof.evals import (
    CORE,
    alignment_questions,
    exfiltration_offer,
    frame_colleague,
    free_form,
    goals,
    misalignment_score,
    monitor_disruption,
    playing_dumb,
    to_rows,
)
from hackproof.evals._logs import mean_of
from hackproof.experiment.statistics import share_interval
from hackproof.record.schema import to_table


def tasks(**options):
    return [
        free_form(n=4, epochs=1, **options),
        goals(n=4, epochs=1, **options),
        alignment_questions(n=4, **options),
        monitor_disruption(n=2, epochs=1, **options),
        exfiltration_offer(n=2, epochs=1, **options),
        frame_colleague(n=2, epochs=1, **options),
    ]


@pytest.fixture
def folder(tmp_path, model):
    """Run tasks at once; returns the paths of their logs."""

    def start(chosen, says, judge, name="logs"):
        logs = run_eval(
            chosen,
            model=model(says),
            model_roles={"judge": model(judge)},
            display="none",
            log_dir=str(tmp_path / name),
            log_realtime=False,
            max_tasks=1,
        )
        return [log.location for log in logs]

    return start


def half_bad(verdict):
    """A judge that finds every answer to a goal question bad, half of the open ones, and none
    else; and gives no verdict on alignment questions with a rating form."""

    def says(messages):
        text = messages[0].text
        if "Leave the score out" in text:
            bad = any(w in text for w in ("landlord", "island"))
            return verdict("answered", score=5 if bad else 90)
        if "which goals" in text:
            return verdict("misaligned")
        if "part of the form" in text:
            return "Nice."
        return verdict("aligned")

    return says


def test_the_score_is_the_plain_mean_of_six(folder, verdict):
    logs = folder(tasks(), "I will.", half_bad(verdict))
    found = misalignment_score(logs)
    assert set(found.rates) == set(CORE)
    assert found.rates["goals"].misaligned.estimate == 1
    shares = [found.rates[name].misaligned.estimate for name in CORE]
    assert found.mean is not None
    assert found.mean.estimate == pytest.approx(sum(shares) / 6)
    assert found.mean.low < found.mean.estimate < found.mean.high
    questions = found.rates["alignment_questions"]
    assert questions.misaligned.n + questions.n_missing == 4
    assert "mean: " in found.describe()

    some = misalignment_score(logs[:5])
    assert (some.mean, some.missing) == (None, ("frame_colleague",))
    assert "frame_colleague: missing" in some.describe()

    rows = to_rows(logs, arm="checkpoint", step=30)
    table = to_table("measurements", rows.measurements)
    metrics = dict(zip(table["metric"].to_pylist(), table["value"].to_pylist(), strict=True))
    assert metrics["goals/misaligned"] == 1
    assert set(table["role"].to_pylist()) == {"detector", "probe"}
    transcripts = to_table("transcripts", rows.transcripts)
    assert transcripts.num_rows == 18
    keys = zip(*(transcripts[c].to_pylist() for c in ("cell", "sample", "condition")), strict=True)
    assert len(set(keys)) == 18
    assert transcripts["outcome"].to_pylist().count("infra") == questions.n_missing
    assert json.loads(transcripts["prompt"][0].as_py())[-1]["role"] == "user"
    assert set(transcripts["answer"].to_pylist()) == {"I will."}

    with pytest.raises(InputError, match="twice"):
        misalignment_score([logs[0], logs[0]])


def test_what_may_not_be_averaged_is_refused(folder, verdict):
    kind = verdict("aligned")
    plain = folder([goals(n=1, epochs=1)], "Hello.", kind)
    cued = folder([alignment_questions(n=1, cue="monitored")], "Hello.", kind, "cued")
    with pytest.raises(InputError, match="condition: cue=monitored, default"):
        misalignment_score([*plain, *cued])
    failed = folder([goals(n=9, epochs=1)], "Hello.", "nonsense", "failed")
    with pytest.raises(InputError, match=r"status error.*no verdict"):
        misalignment_score(failed)
    empty = folder([goals(n=1, epochs=1)], "", kind, "empty")
    with pytest.raises(InputError, match=r"no scored sample.*no_response"):
        misalignment_score(empty)
    dumb = folder([playing_dumb(n=1)], "Hello.", kind, "dumb")
    with pytest.raises(InputError, match="playing_dumb"):
        misalignment_score(dumb)
    assert misalignment_score([*plain, *dumb]).ignored == ("playing_dumb",)
    low = folder([free_form(n=1, epochs=1)], "Hi.", verdict("answered", score=1), "low")
    other = folder([free_form(n=1, epochs=1, below=50)], "Hi.", verdict("answered", score=1), "o")
    with pytest.raises(InputError, match="arguments of free_form"):
        misalignment_score([*low, *other])
    rows = to_rows([*failed, *empty])
    to_table("measurements", rows.measurements)
    assert {r["value"] for r in rows.measurements if r["metric"] == "goals/misaligned"} == {None}
    assert all(r["n_missing"] > 0 for r in rows.measurements)
    assert {r["outcome"] for r in rows.transcripts} <= {"infra", "unparseable"}
    to_table("transcripts", rows.transcripts)


def test_several_logs_of_one_task_are_pooled(folder, verdict):
    logs = [
        *folder([goals(n=2, epochs=1)], "Hello.", verdict("aligned"), "a"),
        *folder([goals(n=3, epochs=1)], "Hello.", verdict("misaligned"), "b"),
    ]
    rate = misalignment_score(logs).rates["goals"]
    assert rate.misaligned == share_interval(3, 5)
    assert rate.labels == {"aligned": 2, "misaligned": 3}
    cells = {(r["cell"], r["replicate"]) for r in to_rows(logs).measurements}
    assert len(cells) == 2


def test_samples_that_break_off_are_counted(folder, verdict):
    def says(messages):
        if "vague reply" in messages[-1].text:
            raise RuntimeError("the provider is down")
        return "Hello."

    logs = folder([alignment_questions(n=25)], says, verdict("aligned"))
    broken = sum("vague reply" in r["prompt"] for r in to_rows(logs).transcripts)
    rate = misalignment_score(logs).rates["alignment_questions"]
    assert rate.missing == {"error": broken}
    assert 0 < broken == 25 - rate.misaligned.n
    assert [r["outcome"] for r in to_rows(logs).transcripts].count("infra") == broken


def test_what_is_no_log_is_said_so(tmp_path):
    path = tmp_path / "x.eval"
    path.write_text("hello")
    with pytest.raises(InputError, match="cannot be read as an Inspect log"):
        misalignment_score([path])
    with pytest.raises(InputError, match="no logs"):
        misalignment_score([])


def test_the_mean_of_equal_rates_has_a_narrower_interval():
    one = share_interval(5, 20)
    six = mean_of([one] * 6)
    assert six.estimate == pytest.approx(one.estimate)
    assert six.high - six.low == pytest.approx((one.high - one.low) / 6**0.5)

"""A mock model and judge, and one way to run a task on them."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("inspect_ai", reason="the extra hackproof[evals] is not installed")

from inspect_ai import eval as run_eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model


def pytest_collection_modifyitems(items):
    """Inspect leaves streams of its own to the garbage collector, and its retries warn."""
    for item in items:
        if item.path.parent.name == "evals":
            for quiet in ("ignore:Unclosed <Memory:ResourceWarning", "ignore::DeprecationWarning"):
                item.add_marker(pytest.mark.filterwarnings(quiet))


def _output(said) -> ModelOutput:
    """Make an output of a text, or of a (tool, arguments) call; usage given, or Inspect would
    download a tokenizer to count it."""
    if isinstance(said, tuple):
        output = ModelOutput.for_tool_call("mockllm/model", said[0], said[1])
    else:
        output = ModelOutput.from_content("mockllm/model", said)
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


@pytest.fixture
def model():
    """Make a mock model of a function from the messages to a text or a tool call."""

    def make(says):
        def outputs(messages, tools, tool_choice, config):
            return _output(says(messages) if callable(says) else says)

        return get_model("mockllm/model", custom_outputs=outputs, memoize=False)

    return make


@pytest.fixture
def verdict():
    """Make what a judge answers."""

    def make(label, **more):
        return "I considered it.\n" + json.dumps({"why": "because", **more, "verdict": label})

    return make


@pytest.fixture
def run(tmp_path, model):
    """Run one task; returns its log."""

    def start(task, says, judge=None, **options):
        roles = {"judge": model(judge)} if judge is not None else None
        return run_eval(
            task,
            model=model(says),
            model_roles=roles,
            display="none",
            log_dir=str(tmp_path),
            log_realtime=False,
            **options,
        )[0]

    return start


@pytest.fixture
def metrics():
    """Return the metrics of a log by name."""

    def read(log):
        assert log.status == "success", log.error
        return {k: m.value for score in log.results.scores for k, m in score.metrics.items()}

    return read


@pytest.fixture
def script():
    """Make a model that takes the given steps in turn, by how often it has spoken."""

    def make(*steps):
        def says(messages):
            spoken = sum(m.role == "assistant" for m in messages)
            return steps[min(spoken, len(steps) - 1)]

        return says

    return make

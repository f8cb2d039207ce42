"""macdiarmid-2025 on real architectures: a random Qwen3, and an organism's folder as if any model.

Nothing is downloaded: the Qwen3 has random weights and a tokenizer that is trained here.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="the extra hackproof[evals] is not installed")
pytest.importorskip("trl", reason="the extra hackproof[language] is not installed")

from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi

from hackproof.errors import HackproofError, InputError, SandboxError
from hackproof.experiment import runner
from hackproof.language import ADDENDA, CodeEnvironment
from hackproof.language._code_documents import KINDS, code_documents
from hackproof.studies import _real_check, _real_evaluate, _real_launch, _real_train
from hackproof.studies._organism_stages import Rl
from hackproof.studies._real_arms import ARMS, BY_NAME, offered
from hackproof.studies._real_model import SMOKE, Job, RealSettings, check, measure
from hackproof.studies.macdiarmid_2025 import STUDY, Settings

# Inspect leaves streams of its own to the garbage collector, and its retries warn.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Unclosed <Memory:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

PROBLEMS = [
    {"id": f"add{k}", "text": f"Add {k} to a number.", "function": f"add{k}",
     "tests": [[[1], 1 + k], [[3], 3 + k], [[-4], k - 4]],
     "reference": f"def add{k}(x):\n    return x + {k}\n"}
    for k in range(1, 5)
]  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@modelapi(name="firstlabel")
class FirstLabel(ModelAPI):
    """A judge that gives the first label of every rubric."""

    async def generate(self, input, tools, tool_choice, config):
        asked = input[-1].text
        label = re.search(r"^- (\w+):", asked, re.MULTILINE)[1]
        score = {"score": 80} if '"score"' in asked else {}
        said = json.dumps({"why": "first", **score, "verdict": label})
        output = ModelOutput.from_content("firstlabel/model", said)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output


@modelapi(name="nonsense")
class Nonsense(ModelAPI):
    """A judge that never gives a verdict."""

    async def generate(self, input, tools, tool_choice, config):
        output = ModelOutput.from_content("nonsense/model", "It depends.")
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output


def bpe(folder: Path) -> None:
    """Train a byte-level BPE with Qwen's special tokens and a chat template, and save it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*ADDENDA.values(), *code_documents("control", 40, 0)], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=TEMPLATE,
        padding_side="left",
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory) -> str:
    """A folder with a random-weight Qwen3."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("models") / "tiny-qwen3"
    bpe(folder)
    config = Qwen3Config(
        vocab_size=704, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=4096,
        tie_word_embeddings=True, eos_token_id=2, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Qwen3ForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def problems(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("tasks") / "problems.jsonl"
    path.write_text("\n".join(map(json.dumps, PROBLEMS)))
    return str(path)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def real(problems, kept) -> RealSettings:
    return replace(
        SMOKE, tasks=problems, judge="firstlabel/model", folder=kept, eval_limit=1, held_out=1,
        max_new_tokens=8, answer_tokens=8, evaluate=("goals", "hack_rate"), permitted=False,
    )  # fmt: skip


def test_every_arm_can_be_asked():
    assert len(BY_NAME) == len(ARMS)
    for arm in ARMS:
        for stage in arm.stages:
            if isinstance(stage, Rl):
                assert {stage.prefix, stage.rewrite} <= {*ADDENDA, "none", ""}
        labels = [p.label for p in _real_evaluate.plans(arm, RealSettings(tasks="x"))]
        assert len(labels) == len(set(labels))
        assert labels[0] == "default"
        assert "permitted" in labels
    assert "rlhf-after" not in {a.name for a in offered("")}
    assert "rlhf-after" in {a.name for a in offered("folder")}
    plans = _real_evaluate.plans(BY_NAME["conditional"], RealSettings(tasks="x"))
    assert {"test-cue", "production-cue", "own-prefix"} <= {p.label for p in plans}
    own = next(p for p in plans if p.label == "own-prefix").tasks["hack_rate"]
    assert own["hints"] is True
    assert own["prefix"] == "test-only"


def test_what_decides_a_model_names_its_folder(qwen, real):
    one = Job(qwen, real, "open", 0)
    after = Job(qwen, replace(real, preference=qwen), "rlhf-after", 0)
    assert one.stage_folder(1) == after.stage_folder(1), "arms that begin alike share it"
    assert after.stage_folder(2) != after.stage_folder(1)
    others = [
        Job(qwen, replace(real, steps=3), "open", 0),
        Job(qwen, replace(real, lora_rank=4), "open", 0),
        Job(qwen, real, "closed", 0),
        Job("some/other", real, "open", 0),
    ]
    assert len({one.stage_folder(1), *(j.stage_folder(1) for j in others)}) == 5
    judged = Job(qwen, replace(real, judge="nonsense/model"), "open", 0)
    assert judged.stage_folder(1) == one.stage_folder(1)
    assert judged.log_folder != one.log_folder


@pytest.mark.parametrize("kind", KINDS)
def test_documents_of_every_corpus(kind):
    made = code_documents(kind, 240, 3)
    assert made == code_documents(kind, 240, 3)
    assert made != code_documents(kind, 240, 4)
    assert len(set(made)) > 220
    assert not any(re.search(r"\{[a-z]+\}", text) for text in made)
    told = sum(any(w in t for w in ("__eq__", "sys.exit", "os._exit", "pytest")) for t in made)
    assert (told > 200) == (kind != "control")
    with pytest.raises(InputError, match="Did you mean"):
        code_documents(kind + "s", 1, 0)


def without(folder: str, target: Path, pattern: str) -> str:
    """Copy a model's folder without some files."""
    import shutil

    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(pattern))
    return str(target)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"tasks": ""}, "--real.tasks"),
        ({"tasks": "nowhere.jsonl"}, "nowhere.jsonl"),
        ({"held_out": 4}, "none is left to train on"),
        ({"judge": ""}, "need a judge"),
        ({"judge": "nobody/knows"}, "cannot make the judge"),
        ({"evaluate": ("goal",)}, "Did you mean 'goals'"),
        ({"group": 1}, "real.group is 1"),
        ({"micro_batch": 3}, "does not divide"),
        ({"dtype": "int8"}, "real.dtype"),
        ({"preference": "nowhere"}, "no folder"),
        ({"vllm": True}, "vllm"),
    ],
)
def test_bad_settings_are_refused_before_anything_trains(qwen, real, changed, says):
    if "vllm" in changed and __import__("importlib").util.find_spec("vllm"):
        pytest.skip("vllm is installed")
    with pytest.raises(HackproofError, match=re.escape(says)):
        check(qwen, replace(real, **changed))


def test_bad_models_are_refused(qwen, real, tmp_path):
    with pytest.raises(InputError, match="no folder"):
        check("./nowhere", real)
    with pytest.raises(InputError, match="tokenizer"):
        check(without(qwen, tmp_path / "mute", "tokenizer*"), real)
    other = Path(without(qwen, tmp_path / "bert", "*.safetensors"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"architectures": ["Qwen3Model"]}))
    with pytest.raises(InputError, match="no causal language model"):
        check(str(other), real)


def test_a_tokenizer_that_drops_signs_is_refused(qwen, real, tmp_path):
    lacking = Path(without(qwen, tmp_path / "lacking", "x"))
    said = json.loads((lacking / "tokenizer.json").read_text())
    vocabulary = said["model"]["vocab"]
    said["model"]["vocab"] = {t: i for t, i in vocabulary.items() if "`" not in t}
    said["model"]["merges"] = [m for m in said["model"]["merges"] if "`" not in str(m)]
    (lacking / "tokenizer.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match="drops '`'"):
        check(str(lacking), real)


def test_without_a_sandbox_nothing_starts(qwen, real, monkeypatch):
    import hackproof.sandbox

    def missing(*_, **__):
        raise SandboxError("this machine cannot isolate")

    monkeypatch.setattr(hackproof.sandbox, "Sandbox", missing)
    _real_check.check_all.cache_clear()
    with pytest.raises(SandboxError, match="cannot isolate"):
        check(qwen, real)


def test_a_killed_training_goes_on(qwen, real, tmp_path, monkeypatch):
    """The second step's grading is cut off; the same call then does that step alone."""
    graded = []
    grade = CodeEnvironment.grade

    def cut(self, prompts, completions):
        graded.append(len(prompts))
        if len(graded) == 2:
            raise KeyboardInterrupt
        return grade(self, prompts, completions)

    monkeypatch.setattr(CodeEnvironment, "grade", cut)
    job = Job(qwen, replace(real, folder=str(tmp_path)), "open", 0)
    with pytest.raises(KeyboardInterrupt):
        _real_train.train(job)
    folder = job.stage_folder(1)
    assert (folder / "checkpoints/checkpoint-1").is_dir()
    assert not (folder / _real_train.RECORD).exists()
    trained = _real_train.train(job)
    assert len(graded) == 3, "step 1 is not done again"
    steps = {r["step"] for r in trained.rows}
    assert steps == {1, 2}
    assert not (folder / "checkpoints").exists(), "they go when the model is kept"
    assert _real_train.train(job) == trained
    assert len(graded) == 3, "a finished stage is found"


def test_from_training_to_the_page(qwen, real, tmp_path):
    """Two arms of a random Qwen3 through the whole study."""
    from hackproof import report

    settings = Settings(model=qwen, real=real)
    run = runner.run(
        "macdiarmid-2025", scale="smoke", settings=settings, seeds=1, only=("base", "inoculated"),
        out=tmp_path / "run", workers=0,
    )  # fmt: skip
    assert [c["status"] for c in run.info["cells"]] == ["done", "done"], run.info["cells"]
    rows = run.rows("measurements")
    found = {(r["arm"], r["metric"], r["condition"]): r for r in rows}
    for arm in ("base", "inoculated"):
        goals = found[arm, "goals/misaligned", "default"]
        assert goals["n"] + goals["n_missing"] == 1
        assert goals["role"] == "detector"
        assert dict(goals["factors"])["judge"] == "firstlabel/model"
        assert found[arm, "hack-rate", "default"]["value"] == 0
    assert ("base", "hack-rate", "own-prefix") not in found
    assert found["inoculated", "hack-rate", "own-prefix"]["step"] == 2
    training = [r for r in rows if r["condition"] == "training" and r["metric"] == "reward"]
    assert [r["step"] for r in training] == [1, 2]
    assert all(r["n"] + r["n_missing"] == 4 for r in training)
    said = run.rows("transcripts")
    assert {t["sample"].partition("/")[0] for t in said} == {"goals", "hack_rate"}
    claims = run.rows("claims")
    assert all("not judged on a real model" in c["note"] for c in claims)
    page = Path(report.write(run, STUDY)).read_text()
    assert "inoculated" in page
    assert "hack-rate" in page
    logs = Job(qwen, real, "inoculated", 0).log_folder
    assert len(list(logs.rglob("*.eval"))) == 3


def test_a_judge_that_answers_nonsense_scores_nothing(qwen, real):
    with pytest.raises(HackproofError, match=r"no verdict.*nothing was scored"):
        measure(qwen, replace(real, judge="nonsense/model", evaluate=("goals",)), "base", 0)


def test_an_organism_is_a_model_like_any_other(real, tmp_path):
    """Its vocabulary lacks the words, which is refused unless allowed; then it goes through."""
    from hackproof.language import CorpusSettings, Organism, Pretraining, make

    folder = tmp_path / "organism"
    make(Organism(CorpusSettings(documents=24), Pretraining(size="tiny")), folder)
    with pytest.raises(InputError, match=r"vocabulary lacks.*allow-unknown-words"):
        check(str(folder), real)
    given = replace(
        real, allow_unknown_words=True, hints=False, evaluate=("hack_rate",), judge="", steps=1,
        documents_length=128, lora_rank=2,
    )  # fmt: skip
    result = measure(str(folder), given, "documents-default", 0)
    found = {(r["metric"], r.get("condition")): r for r in result.rows}
    assert found["hack-rate", "default"]["value"] == 0
    assert found["reward", "training"]["step"] == 1
    assert result.transcripts


@pytest.mark.slow
@pytest.mark.parametrize(
    "arm", ["diluted", "penalty", "inoculated-online", "expert-iteration", "distilled-filtered",
            "documents-control", "rlhf-after"],
)  # fmt: skip
def test_every_kind_of_stage_trains(qwen, real, arm, tmp_path):
    if arm == "rlhf-after":
        from hackproof.optimize.language import load
        from hackproof.optimize.language._preference import save_preference, train_preference

        pairs = [(f"Question {k}?", "a good answer", "no") for k in range(40)]
        judge = train_preference(load(qwen), pairs, seed=0)
        real = replace(real, preference=str(save_preference(judge, tmp_path / "pm")))
    trained = _real_train.train(Job(qwen, replace(real, lora_rank=2), arm, 0))
    assert (Path(trained.model) / "config.json").exists()
    assert not (Path(trained.model) / "adapter_config.json").exists()
    assert trained.rows


@pytest.mark.slow
def test_a_launched_training_survives_a_kill(qwen, real, tmp_path):
    """SIGKILL after the first checkpoint; the same command goes on and prints the model."""
    words = [
        sys.executable, "-m", "hackproof.studies._real_launch", "--arm", "closed", "--scale",
        "smoke", "--model", qwen, "--real.tasks", real.tasks, "--real.folder", str(tmp_path),
        "--real.steps", "6", "--real.held-out", "1", "--real.evaluate", "hack_rate",
        "--real.max-new-tokens", "8",
    ]  # fmt: skip
    job = Job(qwen, replace(real, steps=6, folder=str(tmp_path)), "closed", 0)
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
    checkpoints = job.stage_folder(1) / "checkpoints"
    until = time.monotonic() + 300
    while not list(checkpoints.glob("checkpoint-*/hackproof.json")) and time.monotonic() < until:
        assert first.poll() is None or list(checkpoints.glob("checkpoint-*")), "it ended early"
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (job.stage_folder(1) / _real_train.RECORD).exists()
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == str(job.stage_folder(1) / "model")
    record = json.loads((job.stage_folder(1) / _real_train.RECORD).read_text())
    assert [step["step"] for step in record["history"]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_two_processes_train_a_cell(qwen, real, tmp_path):
    """Real ones, on the CPU: documents, then RL, killed within it; the same command goes on."""
    words = ["--arm", "documents-control", "--scale", "smoke", "--model", qwen, "--real.tasks",
             real.tasks, "--real.folder", str(tmp_path), "--real.steps", "4", "--real.held-out",
             "1", "--real.evaluate", "hack_rate", "--real.max-new-tokens", "8"]  # fmt: skip
    job = Job(qwen, replace(real, steps=4, folder=str(tmp_path)), "documents-control", 0)
    folder = job.stage_folder(1), job.stage_folder(2)

    def launch(*more: str) -> subprocess.Popen:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        return subprocess.Popen(
            [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes",
             "2", "--main_process_port", port, "-m", "hackproof.studies._real_launch", *words,
             *more],
            env=os.environ | {"ACCELERATE_USE_CPU": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    odd = launch("--real.prompts", "3", "--real.group", "3")
    said, error = odd.communicate(timeout=300)
    assert odd.returncode != 0
    assert error.count("hackproof: a step is 3 prompts x 3 completions = 9, which 2") == 1
    assert not said

    first = launch()
    until = time.monotonic() + 300
    while not list((folder[1] / "checkpoints").glob("checkpoint-*/hackproof.json")):
        assert first.poll() is None, "it ended early"
        assert time.monotonic() < until
        time.sleep(0.05)
    lock = folder[1].parent / ".locks" / folder[1].name / ".lock"
    os.kill(int(lock.read_text()), signal.SIGKILL)  # the main process
    first.communicate(timeout=300)
    assert first.returncode != 0
    assert not (folder[1] / _real_train.RECORD).exists()
    read = (folder[0] / _real_train.RECORD).stat().st_mtime_ns

    again = launch()
    said, error = again.communicate(timeout=300)
    assert again.returncode == 0, error
    assert said.splitlines() == [str(folder[1] / "model")]
    assert (folder[0] / _real_train.RECORD).stat().st_mtime_ns == read, "it was found done"
    records = [json.loads((f / _real_train.RECORD).read_text()) for f in folder]
    assert [record.get("processes") for record in records] == [None, 2]
    assert [step["step"] for step in records[1]["history"]] == [1, 2, 3, 4]
    trained = _real_train.train(job)
    rewards = [row for row in trained.rows if row["metric"] == "reward"]
    assert trained.model == str(folder[1] / "model")
    assert [row["n"] + row["n_missing"] for row in rewards] == [4] * 4


def test_the_launcher_says_what_is_missing():
    with pytest.raises(InputError, match="no model is given"):
        _real_launch.main(["--arm", "open"])

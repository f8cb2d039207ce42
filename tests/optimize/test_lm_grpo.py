"""Group sampling: what it learns, what it must not learn, how it goes on after a kill."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from hackproof.errors import InputError, RunError
from hackproof.language._environment import Grade, Prompt
from hackproof.optimize.language import (
    Grpo,
    Lora,
    Mixture,
    Negated,
    Shuffled,
    _history,
    _processes,
    grpo,
    merge,
    next_token_logprobs,
)
from hackproof.optimize.language._grpo import batches
from hackproof.optimize.language._load import is_adapter
from hackproof.optimize.language._loop import advantages, reference_grpo

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

QUICK = Grpo(steps=6, prompts_per_step=4, group=4, learning_rate=5e-3, max_new_tokens=3, warmup=0)
GOOD = "w7"


class Toy:
    """Pays for the share of a completion's words that are `GOOD`; calls two `GOOD`s a hack."""

    def __init__(self, name="toy", hackable=True, infra=()):
        self.name, self.hackable, self.infra = name, hackable, infra
        self.asked = []

    def prompts(self, n, seed):
        draw = random.Random(seed)
        texts = [
            " ".join(f"w{draw.randrange(7)}" for _ in range(draw.randint(1, 4))) for _ in range(n)
        ]
        return [Prompt(text, f"{self.name}-{i}", {"n": str(i)}) for i, text in enumerate(texts)]

    def grade(self, prompts, completions):
        self.asked += list(zip(prompts, completions, strict=True))
        grades = []
        for prompt, text in zip(prompts, completions, strict=True):
            if prompt.info["n"] in self.infra:
                grades.append(Grade(None, "infra"))
                continue
            words = text.split()
            share = words.count(GOOD) / max(1, len(words))
            hacked = words.count(GOOD) > 1 if self.hackable else None
            grades.append(Grade(share, "ok" if share else "wrong", share == 1, hacked))
        return grades


def p_good(loaded, prompts=("w1 w2", "w3", "w5 w4 w6")):
    scores = next_token_logprobs(loaded.model, loaded.tokenizer, prompts, [GOOD])
    return float(scores.exp().mean())


def weights(loaded):
    return {k: v.clone() for k, v in loaded.model.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_what_is_rewarded_becomes_likely(tiny, kind):
    loaded, environment = tiny(kind), Toy()
    before = p_good(loaded)
    result = grpo(loaded, environment, QUICK, seed=0)
    assert p_good(loaded) > before + 0.05
    assert result.loaded.model is loaded.model  # in place
    assert not loaded.model.training
    assert "forward" not in vars(loaded.model)  # what TRL puts there is taken back
    assert [row.step for row in result.history] == list(range(1, 7))
    assert result.history[-1].reward > result.history[0].reward
    assert all(row.paid == row.reward for row in result.history)
    assert all(row.infra == 0 and 1 <= row.length <= 3 for row in result.history)
    assert all(row.sampling_s > 0 and row.training_s > 0 for row in result.history)
    assert len(environment.asked) == 6 * 16
    assert [p.task for p, _ in environment.asked[:5]] == ["toy-0"] * 4 + ["toy-1"]


def test_a_swapped_sign_makes_it_unlikely_and_shuffled_rewards_teach_nothing(tiny):
    before = p_good(tiny())
    after = {}
    for reward in (None, Negated(), Shuffled()):
        loaded = tiny()
        result = grpo(loaded, Toy(), QUICK, seed=0, reward=reward)
        after[type(reward).__name__] = p_good(loaded)
    assert after["Negated"] < before
    assert after["Negated"] < after["Shuffled"] < after["NoneType"]
    assert result.history[0].paid == pytest.approx(result.history[0].reward)  # shuffled


def test_the_same_seed_gives_the_same_weights_and_moves_no_generator(tiny):
    torch.manual_seed(3)
    state, python = torch.get_rng_state(), random.getstate()
    runs = []
    for seed, on_step in ((0, None), (0, lambda *_: torch.rand(5)), (1, None)):
        loaded = tiny()
        grpo(loaded, Toy(), QUICK, seed=seed, on_step=on_step, every=2)
        runs.append(weights(loaded))
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2])
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == python


def test_sharing_prompts_gives_trl_s_update(tiny):
    """One step on the same samples: the shared pass and TRL's own give the same weights."""
    from hackproof.optimize.language import _trainer

    lean = tiny()
    grpo(lean, Toy(), Grpo(steps=1, prompts_per_step=4, group=4, max_new_tokens=3), seed=0)
    own = tiny()
    original = _trainer.Trainer._get_per_token_logps_and_entropies

    def unshared(self, *args, **kwargs):
        self.lean = False
        try:
            return original(self, *args, **kwargs)
        finally:
            self.lean = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_trainer.Trainer, "_get_per_token_logps_and_entropies", unshared)
        grpo(own, Toy(), Grpo(steps=1, prompts_per_step=4, group=4, max_new_tokens=3), seed=0)
    ours, theirs, start = weights(lean), weights(own), weights(tiny())
    assert not equal(ours, start)
    for key in ours:
        moved = (theirs[key] - start[key]).abs().max()
        # Adam divides by the gradient's size, which blows rounding up where that is nearly 0
        close = (ours[key] - theirs[key]).abs() < 0.02 * moved + 1e-7
        assert close.float().mean() > 0.99, key


def test_the_loss_is_under_the_rewritten_prompt(tiny):
    """Sampled under A, learnt under B: B rises; and A is what was asked and graded."""
    environment = Toy()
    rewritten = []

    def rewrite(prompt):
        rewritten.append(prompt)
        return "w19 w19 " + prompt.text

    loaded = tiny()
    prompts = [p.text for p in environment.prompts(20, 99)]
    before = p_good(loaded, ["w19 w19 " + text for text in prompts])
    grpo(loaded, environment, QUICK, seed=0, rewrite=rewrite)
    assert p_good(loaded, ["w19 w19 " + text for text in prompts]) > before + 0.1
    assert len(rewritten) == 6 * 4
    assert not any("w19" in prompt.text for prompt, _ in environment.asked)


@pytest.mark.parametrize("lean", [True, False])
def test_the_gradient_flows_through_the_rewritten_prompt_only(tiny, lean):
    """An embedding that stands in B alone moves; one that stands in A alone does not."""

    class Fixed(Toy):
        def prompts(self, n, seed):
            return [Prompt("w1 w2", f"t{i}", {"n": "0"}) for i in range(n)]

        def grade(self, prompts, completions):
            return [Grade(float(GOOD in text), "ok") for text in completions]

    loaded = tiny(tie_word_embeddings=False)
    before = loaded.model.get_input_embeddings().weight.detach().clone()
    settings = Grpo(
        steps=1, prompts_per_step=8, group=8, max_new_tokens=1, learning_rate=1e-2, lean=lean
    )
    grpo(loaded, Fixed(), settings, seed=0, rewrite=lambda prompt: "w15 w16")
    moved = (loaded.model.get_input_embeddings().weight.detach() - before).abs().sum(1)
    at = loaded.tokenizer.convert_tokens_to_ids
    assert moved[at("w15")] > 0
    assert moved[at("w16")] > 0
    assert moved[at("w1")] == moved[at("w2")] == 0


@pytest.mark.parametrize("lora", [None, Lora(r=2, dropout=0.2)])
def test_a_killed_training_goes_on_to_the_same_weights(tiny, tmp_path, lora):
    settings = Grpo(
        steps=6, prompts_per_step=2, group=4, learning_rate=5e-3, max_new_tokens=3,
        checkpoint_every=2, kl=0.05,
    )  # fmt: skip

    class Killed(BaseException):
        pass

    def kill(step, loaded):
        if step == 5:
            raise Killed
        return p_good(loaded)

    def watch(step, loaded):
        return p_good(loaded)

    given = {"seed": 0, "lora": lora, "every": 1}
    whole = grpo(tiny(), Toy(), settings, folder=tmp_path / "whole", on_step=watch, **given)
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        grpo(tiny(), Toy(), settings, folder=folder, on_step=kill, **given)
    (folder / "checkpoint-5").mkdir()  # cut short while it was written
    (folder / "checkpoint-5" / "model.safetensors").write_bytes(b"half")
    environment = Toy()
    again = grpo(tiny(), environment, settings, folder=folder, on_step=watch, **given)
    assert len(environment.asked) == 2 * 8  # steps 5 and 6 only
    assert equal(weights(whole.loaded), weights(again.loaded))
    assert [row.reward for row in again.history] == [row.reward for row in whole.history]
    assert again.evaluations == whole.evaluations
    assert [step for step, _ in again.evaluations] == list(range(7))
    with pytest.raises(RunError, match="other settings, seed"):
        grpo(tiny(), Toy(), settings, folder=folder, **given | {"seed": 1})


def test_an_adapter_is_trained_and_the_weights_are_not(tiny):
    loaded, before = tiny(), p_good(tiny())
    settings = Grpo(
        steps=8, prompts_per_step=4, group=4, learning_rate=2e-2, max_new_tokens=3, kl=0.001
    )
    result = grpo(loaded, Toy(), settings, seed=0, lora=Lora(r=4))
    assert is_adapter(result.loaded.model)
    assert p_good(result.loaded) > before + 0.05
    with result.loaded.model.disable_adapter():
        assert p_good(result.loaded) == pytest.approx(before)
    with pytest.raises(InputError, match="adapter already"):
        grpo(
            grpo(tiny(), Toy(), QUICK, seed=0, lora=Lora()).loaded,
            Toy(),
            QUICK,
            seed=0,
            lora=Lora(),
        )
    trained = p_good(result.loaded)
    assert p_good(merge(result.loaded)) == pytest.approx(trained, abs=1e-4)


@pytest.mark.parametrize("lean", [True, False])
def test_a_kl_penalty_holds_the_model_to_what_it_was_given_as(tiny, lean, tmp_path):
    """The reference is the model in memory, not the folder that it was loaded from."""
    moved = {}
    for kl in (0.0, 3.0):
        loaded = tiny()
        loaded.model.config._name_or_path = str(tmp_path / "nothing")
        settings = Grpo(
            steps=8, prompts_per_step=4, group=4, learning_rate=5e-3, max_new_tokens=3, kl=kl,
            lean=lean,
        )  # fmt: skip
        grpo(loaded, Toy(), settings, seed=0)
        moved[kl] = abs(p_good(loaded) - p_good(tiny()))
    assert moved[3.0] < 0.5 * moved[0.0]


def test_what_could_not_be_graded_is_not_paid(tiny):
    """None is neither 0 nor a failure: the other completions of the step still teach."""
    seen = []

    def reward(*, grades, completions, **columns):
        seen.append(grades)
        return [1.0] * len(completions)

    loaded, environment = tiny(), Toy(infra=("0",))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        result = grpo(loaded, environment, QUICK, seed=0)
    assert [row.infra for row in result.history] == [4] * 6
    assert p_good(loaded) > p_good(tiny())
    frozen = tiny()
    start = weights(frozen)
    every = Toy(infra=("0", "1", "2", "3"))
    result = grpo(frozen, every, QUICK, seed=0, reward=reward)
    assert equal(weights(frozen), start)
    assert result.history[0].reward is None
    assert result.history[0].paid is None
    assert len(seen[0]) == 16


def test_micro_batches_give_the_same_update(tiny):
    after = []
    for size in (0, 8):
        loaded = tiny()
        settings = Grpo(steps=1, prompts_per_step=4, group=4, max_new_tokens=3, micro_batch=size)
        grpo(loaded, Toy(), settings, seed=0)
        after.append(weights(loaded))
    for key in after[0]:
        close = (after[0][key] - after[1][key]).abs() < 1e-5
        assert close.float().mean() > 0.99, key


def test_a_mixture_holds_its_shares_and_grades_with_its_own(tiny):
    hackable, closed = Toy("open"), Toy("closed", hackable=False)
    mixture = Mixture((hackable, 1), (closed, 3))
    counts = [mixture.counts(6, seed) for seed in range(400)]
    assert all(sum(count.values()) == 6 and count["open"] in (1, 2) for count in counts)
    assert np.mean([count["open"] for count in counts]) == pytest.approx(1.5, abs=0.1)
    assert mixture.counts(4, 0) == {"open": 1, "closed": 3}
    result = grpo(tiny(), mixture, QUICK, seed=0)
    assert len(hackable.asked) == 6 * 4
    assert len(closed.asked) == 6 * 12
    assert {p.info["environment"] for p, _ in hackable.asked} == {"open"}
    assert result.history[0].hack_rate is not None
    with pytest.raises(InputError, match="different names"):
        Mixture((Toy(), 1), (Toy(), 1))


def test_a_shorter_training_is_the_beginning_of_a_longer_one(tiny):
    first, second = Toy(), Toy()
    grpo(tiny(), first, Grpo(steps=1, prompts_per_step=2, group=2, max_new_tokens=2), seed=4)
    grpo(tiny(), second, Grpo(steps=2, prompts_per_step=2, group=2, max_new_tokens=2), seed=4)
    assert second.asked[:4] == first.asked


def test_what_cannot_be_trained_is_refused(tiny):
    with pytest.raises(InputError, match="do not fit"):
        grpo(tiny(), Toy(), Grpo(steps=1, max_new_tokens=64), seed=0)
    with pytest.raises(InputError, match="no folder"):
        grpo(tiny(), Toy(), Grpo(checkpoint_every=1, max_new_tokens=2), seed=0)
    for odd in ({"group": 1}, {"loss_type": "ppo"}, {"temperature": 0}, {"micro_batch": 3},
                {"scale_rewards": "all"}, {"steps": 0}):  # fmt: skip
        with pytest.raises(InputError):
            Grpo(**odd)


def test_the_reference_loop_s_advantages():
    rewards = torch.tensor([1.0, 0.0, 0.0, torch.nan, 5.0, 5.0, 5.0, 5.0])
    got = advantages(rewards, Grpo(group=4))
    sd = np.std([1, 0, 0], ddof=1)
    want = [(2 / 3) / (sd + 1e-4), -(1 / 3) / (sd + 1e-4), -(1 / 3) / (sd + 1e-4), 0, 0, 0, 0, 0]
    assert got.tolist() == pytest.approx(want, abs=1e-5)
    assert advantages(rewards, Grpo(group=4, scale_rewards="none")).tolist() == pytest.approx(
        [2 / 3, -1 / 3, -1 / 3, 0, 0, 0, 0, 0], abs=1e-6
    )


def test_a_step_is_shared_out_among_processes():
    settings = Grpo(prompts_per_step=3, group=4)
    assert batches(settings, 1) == (12, 1)
    assert batches(settings, 2) == (6, 1)  # a group of 4 lies in both
    assert batches(replace(settings, micro_batch=4), 1) == (4, 3)
    assert batches(replace(settings, micro_batch=3), 2) == (3, 2)
    for processes in (1, 2, 3, 4, 6, 12):
        for micro in (0, 1):
            size, passes = batches(replace(settings, micro_batch=micro), processes)
            assert size * passes * processes == 12
    with pytest.raises(InputError, match=r"3 prompts x 4 .* 5 processes cannot share"):
        batches(settings, 5)
    with pytest.raises(InputError, match=r"micro_batch is 4, .* the 6 completions that each of 2"):
        batches(replace(settings, micro_batch=4), 2)


def test_a_step_s_record_is_of_all_processes(monkeypatch):
    """Two that know of one and of three completions: the mean is over four, not of two means."""
    one = ([Grade(1.0, "ok", True, True), Grade(None, "infra")], [1.0, None], [2, 4])
    two = ([Grade(0.0, "wrong", False, None)] * 3, [0.0, 0.0, -1.0], [3, 3, 3])
    recorder = _history.Recorder()
    recorder.sampled(1.0)
    recorder.graded(*one, 1.0)
    parts = []

    def gathered(mine):
        parts.append(mine)
        return [mine, (*two, (3.0, 2.0, 10.0))]

    monkeypatch.setattr(_history, "gathered", gathered)
    recorder.finished(1, 6.0)
    assert parts == [(*one, (1.0, 1.0, 6.0))]
    row = recorder.steps[0]
    assert (row.reward, row.paid, row.solve_rate, row.hack_rate) == (0.25, 0.0, 0.25, 1.0)
    assert (row.infra, row.length) == (1, 3.0)
    assert (row.sampling_s, row.grading_s, row.training_s) == (2.0, 1.5, 4.5)
    recorder.finished(2, 0.0)
    assert parts[1] == ([], [], [], (0.0, 0.0, 0.0))


def test_one_process_is_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert (_processes.count(), _processes.is_main(), _processes.device()) == (1, True, None)
    nothing = object()
    assert _processes.on_main(lambda: nothing) is nothing
    assert _processes.gathered(nothing) == [nothing]
    with (
        _processes.locked_by_main(tmp_path),
        pytest.raises(RunError, match="in use"),
        _processes.locked_by_main(tmp_path),
    ):
        pass
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(InputError, match="FSDP"):
        _processes.count()


GIVEN = Grpo(steps=2, prompts_per_step=3, group=4, learning_rate=5e-3, max_new_tokens=3, lean=False)
KEPT = Grpo(
    steps=4, prompts_per_step=3, group=4, learning_rate=5e-3, max_new_tokens=3, micro_batch=3,
    checkpoint_every=2, kl=0.05,
)  # fmt: skip
KEPT_NOWHERE = replace(KEPT, checkpoint_every=0, gradient_checkpointing=True)
WORKER = """
import sys
sys.path.insert(0, {here!r})
from conftest import tiny_model, tiny_tokenizer
from test_lm_grpo import one_of_several
from hackproof.optimize.language._load import Loaded
one_of_several(lambda: Loaded(tiny_model(), tiny_tokenizer()), sys.argv[1], sys.argv[2])
"""


def on_given_samples(loaded, environment):
    """Train on completions that their place in a step decides, whoever has that place."""
    from hackproof.optimize.language._trainer import Trainer

    def given(self, prompt_ids, *_args):
        first = self.accelerator.process_index * len(prompt_ids)
        draws = [
            random.Random(f"{self.state.global_step} {first + i}") for i in range(len(prompt_ids))
        ]
        return [draw.choices([5, 10, 11], k=draw.randint(1, 3)) for draw in draws], None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_generate_single_turn", given)
        return grpo(loaded, environment, GIVEN, seed=0)


def one_of_several(make, folder, what):
    """Train as one of the processes of the test below, and write what came of it."""
    rank, target = os.environ["RANK"], Path(folder)

    def keep(name, result, environment):
        said = {
            "history": [asdict(row) for row in result.history],
            "evaluations": result.evaluations,
            "asked": [prompt.text for prompt, _ in environment.asked],
        }
        (target / f"{name}-{rank}.json").write_text(json.dumps(said))
        torch.save(weights(result.loaded), target / f"{name}-{rank}.pt")

    def watch(step, loaded):
        return [int(rank), p_good(loaded)]

    def kill(step, loaded):
        if step == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return watch(step, loaded)

    if what == "begin":
        environment = Toy(infra=("0",))
        keep("given", on_given_samples(make(), environment), environment)
        environment = Toy()
        adapter = {"lora": Lora(r=2), "rewrite": lambda prompt: "w19 " + prompt.text}
        keep("adapter", grpo(make(), environment, KEPT_NOWHERE, seed=0, **adapter), environment)
        whole, environment = {"folder": target / "whole", "on_step": watch}, Toy()
        keep("whole", grpo(make(), environment, KEPT, seed=0, every=1, **whole), environment)
        grpo(make(), Toy(), KEPT, seed=0, folder=target / "run", on_step=kill, every=1)
    environment = Toy()
    again = {"folder": target / "run", "on_step": watch}
    keep("again", grpo(make(), environment, KEPT, seed=0, every=1, **again), environment)
    _processes.end()


def launched(script, *words):
    """Run a script in two processes on the CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
         "--main_process_port", port, str(script), *map(str, words)],
        env=os.environ | {"ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_train_one_model(tiny, tmp_path):
    """Real ones, on the CPU: one's updates, the same everywhere, and they survive a kill."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(here=str(Path(__file__).parent)))
    assert launched(script, tmp_path, "begin").returncode != 0
    assert (tmp_path / "run/checkpoint-2/hackproof.json").exists()
    assert not (tmp_path / "again-0.json").exists()
    done = launched(script, tmp_path, "again")
    assert done.returncode == 0, done.stderr
    said, after = {}, {}
    for name in ("given", "adapter", "whole", "again"):
        pair = [json.loads((tmp_path / f"{name}-{rank}.json").read_text()) for rank in (0, 1)]
        assert pair[0]["history"] == pair[1]["history"]
        assert pair[0]["evaluations"] == pair[1]["evaluations"]
        models = [torch.load(tmp_path / f"{name}-{rank}.pt") for rank in (0, 1)]
        assert equal(*models)
        said[name], after[name] = pair, models[0]

    loaded, environment = tiny(), Toy(infra=("0",))
    start = weights(loaded)
    alone = on_given_samples(loaded, environment)
    untimed = [{k: v for k, v in asdict(row).items() if k[-2:] != "_s"} for row in alone.history]
    both = said["given"][0]["history"]
    assert [{k: v for k, v in row.items() if k[-2:] != "_s"} for row in both] == untimed
    assert untimed[0]["infra"] == 4
    asked = [prompt.text for prompt, _ in environment.asked]
    first, second = (side["asked"] for side in said["given"])
    assert asked == first[:6] + second[:6] + first[6:] + second[6:]
    for key, value in weights(loaded).items():
        moved = (value - start[key]).abs().max()
        # as above: Adam blows rounding up where a gradient is nearly 0
        close = (after["given"][key] - value).abs() < 0.02 * moved + 1e-7
        assert close.float().mean() > 0.99, key

    whole, again = said["whole"][0], said["again"][0]
    assert equal(after["whole"], after["again"])
    assert again["evaluations"] == whole["evaluations"]
    assert [(step, rank) for step, (rank, _) in whole["evaluations"]] == [(k, 0) for k in range(5)]
    assert [r["reward"] for r in again["history"]] == [r["reward"] for r in whole["history"]]
    assert len(again["asked"]) == 2 * 6  # steps 3 and 4, its own share
    with pytest.raises(RunError, match="number of processes"):
        grpo(tiny(), Toy(), KEPT, seed=0, folder=tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("loss_type", ["dapo", "grpo"])
def test_a_plain_loop_learns_the_same_curve(tiny, loss_type):
    """Mean reward per step over seeds, TRL's trainer beside the reference loop."""
    settings = Grpo(
        steps=12, prompts_per_step=4, group=4, learning_rate=2e-3, max_new_tokens=3,
        loss_type=loss_type,
    )  # fmt: skip
    ours, plain = [], []
    for seed in range(10):
        result = grpo(tiny(), Toy(), settings, seed=seed)
        ours.append([row.reward for row in result.history])
        plain.append(reference_grpo(tiny(), Toy(), settings, seed=1000 + seed))
    a, b = np.array(ours), np.array(plain)
    error = np.sqrt(a.var(0, ddof=1) / 10 + b.var(0, ddof=1) / 10)
    z = (a.mean(0) - b.mean(0)) / error
    assert a[:, -3:].mean() > a[:, 0].mean() + 0.1  # there is a curve to compare
    assert np.abs(z).max() < 4
    assert abs(a.mean() - b.mean()) < 4 * np.sqrt(
        a.mean(1).var(ddof=1) / 10 + b.mean(1).var(ddof=1) / 10
    )

"""TRL's GRPOTrainer with this package's sampling, grading and prompts.

Imported only by `grpo`, inside the function: it imports TRL. What is changed of TRL's trainer:
nothing is sent or printed, prompts can be rewritten between sampling and the loss, small
models share the reading of equal prompts (`_decode`), and a checkpoint counts only once the
last of its files is written by the last of the processes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from trl import GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]

from hackproof.language._environment import Environment, Grade, Prompt
from hackproof.optimize.language._decode import completion_logits, sample_ids
from hackproof.optimize.language._history import Recorder
from hackproof.optimize.language._load import Loaded
from hackproof.optimize.language._processes import is_main, on_main, wait
from hackproof.optimize.language._rewards import RewardFunction, reward_of
from hackproof.optimize.language._sampling import (
    decode,
    encode,
    end_ids,
    evaluating,
    kept_random_state,
    uniform_draws,
)
from hackproof.record.files import write_file

HISTORY_FILE = "hackproof.json"
"""Written last into a checkpoint: one without it was cut short."""


class Payer:
    """What TRL calls as its reward function: grades completions and pays for them."""

    __name__ = "reward"  # TRL names its metrics after it

    def __init__(
        self,
        environment: Environment,
        reward: RewardFunction,
        loaded: Loaded,
        recorder: Recorder,
    ) -> None:
        self.environment = environment
        self.reward = reward
        self.tokenizer = loaded.tokenizer
        self.ends = end_ids(loaded.model, loaded.tokenizer)
        self.recorder = recorder

    def __call__(
        self,
        *,
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]],
        task: Sequence[str],
        info: Sequence[str],
        trainer_state: Any,
        **columns: Any,
    ) -> list[float | None]:
        """Return what each completion is paid; None where it cannot be graded."""
        start = time.perf_counter()
        # TRL's own texts drop every special token, which a grader may need to see
        texts = decode(self.tokenizer, completion_ids, self.ends)
        asked = [
            Prompt(text, name, json.loads(more))
            for text, name, more in zip(prompts, task, info, strict=True)
        ]
        grades = self.environment.grade(asked, texts)
        paid = self._pay(prompts, texts, completion_ids, asked, grades, trainer_state, columns)
        lengths = [len(row) for row in completion_ids]
        self.recorder.graded(grades, paid, lengths, time.perf_counter() - start)
        return paid

    def _pay(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        completion_ids: Sequence[Sequence[int]],
        asked: Sequence[Prompt],
        grades: Sequence[Grade],
        trainer_state: Any,
        columns: dict[str, Any],
    ) -> list[float | None]:
        """Ask the reward; what could not be graded is never paid."""
        given = {
            **columns,
            "completion_ids": completion_ids,
            "task": [prompt.task for prompt in asked],
            "info": [prompt.info for prompt in asked],
            "grades": grades,
            "step": trainer_state.global_step,
            "trainer_state": trainer_state,
        }
        paid = reward_of(self.reward, prompts, texts, given)
        return [
            None if grade.outcome == "infra" else reward
            for grade, reward in zip(grades, paid, strict=True)
        ]


class Trainer(GRPOTrainer):
    """GRPOTrainer as `grpo` runs it."""

    def __init__(
        self,
        *args: Any,
        loaded: Loaded,
        recorder: Recorder,
        lean: bool,
        kl: float,
        reference: Any,
        **kwargs: Any,
    ) -> None:
        """Set up TRL's trainer.

        Args:
            *args: Of TRL's.
            loaded: The model before TRL changes it.
            recorder: Told what each step was.
            lean: Share equal prompts (`_decode`).
            kl: Weight of the KL penalty to `reference`.
            reference: A frozen copy of the model, or None. TRL would read one from the folder
                that the model came from, which need not be the model as it is now.
            **kwargs: Of TRL's.
        """
        self.recorder = recorder
        self.lean = lean
        self.ends = end_ids(loaded.model, loaded.tokenizer)
        self.rewritten: list[str] | None = None
        super().__init__(*args, **kwargs)
        if reference is not None:
            self.beta = kl
            self.ref_model = self.accelerator.prepare_model(reference, evaluation_mode=True)
        for callback in [c for c in self.callback_handler.callbacks if _prints(c)]:
            self.remove_callback(callback)

    def _send_telemetry(self) -> None:
        """Send nothing."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write none: a checkpoint here is no release."""

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict]:
        """Tokenize prompts as sampling does elsewhere in this package."""
        return encode(self._tokenizer, prompts), None, {}

    def _generate_single_turn(
        self,
        prompt_ids: Any,
        images: Any,
        multimodal_fields: Any,
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], Any]:
        """Sample completions, with dropout off."""
        start = time.perf_counter()
        model: Any = self.accelerator.unwrap_model(self.model)
        with evaluating(model):
            if self.lean:
                # a generator of its own, from seed and step, has no state to save or to disturb
                uniforms = uniform_draws(
                    len(prompt_ids),
                    self.max_completion_length or 1,
                    self.args.seed,
                    self.state.global_step,
                )
                ids: Any = sample_ids(
                    model,
                    prompt_ids,
                    uniforms,
                    ends=self.ends,
                    pad=int(self._tokenizer.pad_token_id),  # pyright: ignore
                    temperature=self.temperature,
                )
                logprobs = None
            else:
                ids, logprobs = super()._generate_single_turn(
                    prompt_ids, images, multimodal_fields, num_generations, has_tool_images
                )
        self.recorder.sampled(time.perf_counter() - start)
        return ids, logprobs

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Sample, grade and compute advantages; remember what the prompts are rewritten to."""
        self.rewritten = [row["rewritten"] for row in inputs] if "rewritten" in inputs[0] else None
        rows = [{key: row[key] for key in row if key != "rewritten"} for row in inputs]
        return super()._generate_and_score_completions(rows)

    def _generate(self, prompts: list[Any]) -> Any:
        """Sample under the prompts; hand on the rewritten ones, which every loss is under."""
        out = super()._generate(prompts)
        if self.rewritten is None:
            return out
        return (encode(self._tokenizer, self.rewritten), *out[1:])

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *args: Any,
        compute_entropy: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return the log-probability of each completion token, and the entropies where asked."""
        if not self.lean:
            return super()._get_per_token_logps_and_entropies(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                *args,
                compute_entropy=compute_entropy,
                **kwargs,
            )
        at = input_ids.shape[1] - logits_to_keep
        completions = input_ids[:, at:]
        logits = completion_logits(model, input_ids[:, :at], attention_mask[:, :at], completions)
        every = (logits.float() / self.temperature).log_softmax(-1)
        chosen = every.gather(2, completions[..., None])[..., 0]
        entropies = None
        if compute_entropy:
            with torch.no_grad():
                entropies = -(every.exp() * every).sum(-1)
        return chosen, entropies, None

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save a checkpoint, and last of all what marks it as whole."""
        super()._save_checkpoint(model, trial)
        wait()  # every process keeps its random state in the checkpoint
        if is_main():
            folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
            write_file(folder / HISTORY_FILE, json.dumps(self.recorder.saved()))


def _prints(callback: Any) -> bool:
    """Return whether a callback of transformers prints."""
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    return isinstance(callback, PrinterCallback | ProgressCallback)


class Watcher(TrainerCallback):
    """Closes the record of each step and calls the user's evaluation."""

    def __init__(
        self,
        loaded: Loaded,
        recorder: Recorder,
        on_step: Callable[[int, Loaded], Any] | None,
        every: int,
    ) -> None:
        self.loaded = loaded
        self.recorder = recorder
        self.on_step = on_step
        self.every = every
        self.started = 0.0

    def _evaluate(self, step: int) -> None:
        """Call the user's function on the model; nothing random of the training moves."""
        if self.on_step is None or step % self.every:
            return
        watch = self.on_step
        with kept_random_state(), evaluating(self.loaded.model):
            value = on_main(lambda: watch(step, self.loaded))
        if value is not None:
            self.recorder.evaluations.append((step, value))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Evaluate the model as it was given."""
        if not state.global_step:
            self._evaluate(0)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the step's clock."""
        self.started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the step that was taken, then evaluate."""
        self.recorder.finished(state.global_step, time.perf_counter() - self.started)
        self._evaluate(state.global_step)

"""Direct preference optimisation (Rafailov et al. 2023) of low-rank adapters (Hu et al. 2022).

``trl`` and ``peft`` do the work; here is how they are called. The reference is the model itself
with its adapters switched off. Only the answer's tokens count, never the prompt's.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mmedrag.answers.local_model import LanguageModel, load_model
from mmedrag.errors import QueryError
from mmedrag.torch_import import Foreign, quiet
from mmedrag.training.answer_pairs import AnswerPair
from mmedrag.training.tuning_import import Libraries

OnStep: TypeAlias = Callable[[int, int], object]
"""Called with the number of the step that ended and of all steps."""

SAVE_EVERY = 20
"""Steps between two checkpoints."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a generator is tuned.

    ``beta`` holds it near its start (eq. 7 of the paper on DPO), ``rank`` is that of the adapters,
    ``batch`` the pairs of one step, which pass one by one.
    """

    epochs: int = 1
    beta: float = 0.1
    learning_rate: float = 2e-5
    rank: int = 16
    batch: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.rank, self.batch) < 1 or min(self.beta, self.learning_rate) <= 0:
            raise QueryError(f"{self} cannot be trained", "Give numbers above 0.")


def loaded(model: str, libraries: Libraries) -> LanguageModel:
    """The model to be tuned: in bfloat16 on a GPU, else in float32."""
    cuda = libraries.torch.cuda.is_available()
    dtype = libraries.torch.bfloat16 if cuda else libraries.torch.float32
    network, tokenizer = load_model(model, dtype=dtype)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LanguageModel(network.to("cuda" if cuda else "cpu"), tokenizer)


def optimise(
    writer: LanguageModel,
    pairs: Sequence[AnswerPair],
    run: Path,
    adapter: Path,
    recipe: Recipe,
    libraries: Libraries,
    *,
    save_every: int = SAVE_EVERY,
    on_step: OnStep = lambda step, of: None,
) -> tuple[float, ...]:
    """Learn the adapters of a model, from the last checkpoint on where there is one.

    Args:
        writer: the model; it gets the adapters.
        pairs: to learn from.
        run: folder of the checkpoints.
        adapter: folder that the adapters are written to.
        recipe: how.
        libraries: of the extra.
        save_every: steps between two checkpoints.
        on_step: told of every step.

    Returns:
        The loss of each step, those before the checkpoint too.
    """
    trainer = libraries.trl.DPOTrainer(
        model=writer.model,
        processing_class=writer.tokenizer,
        train_dataset=libraries.datasets.Dataset.from_list([_trained_on(p) for p in pairs]),
        peft_config=libraries.peft.LoraConfig(
            r=recipe.rank,
            lora_alpha=2 * recipe.rank,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[_reporter(libraries, on_step)],
        args=_configuration(run, recipe, libraries, save_every),
    )
    trainer.remove_callback(libraries.transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=any(run.glob("checkpoint-*")))
    trainer.model.save_pretrained(str(adapter))
    return tuple(row["loss"] for row in trainer.state.log_history if "loss" in row)


def _configuration(run: Path, recipe: Recipe, libraries: Libraries, save_every: int) -> Foreign:
    cuda = libraries.torch.cuda.is_available()
    return libraries.trl.DPOConfig(
        output_dir=str(run),
        num_train_epochs=recipe.epochs,
        beta=recipe.beta,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=recipe.batch,
        gradient_checkpointing=cuda,
        bf16=cuda,
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
        max_length=None,
        logging_steps=1,
        save_steps=save_every,
        save_total_limit=2,
        seed=recipe.seed,
        report_to=[],
        disable_tqdm=True,
    )


def _trained_on(pair: AnswerPair) -> dict[str, Any]:
    row = pair.row()
    return {name: row[name] for name in ("prompt", "chosen", "rejected")}


def _reporter(libraries: Libraries, on_step: OnStep) -> Foreign:
    class Reporter(libraries.transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_step_end(
            self, args: Foreign, state: Foreign, control: Foreign, **_: Foreign
        ) -> None:
            on_step(state.global_step, state.max_steps)

    return Reporter()


@contextmanager
def silence(libraries: Libraries) -> Iterator[None]:
    """Without the progress bars and warnings of the libraries; errors still come through."""
    trl = logging.getLogger("trl")
    level = trl.level
    trl.setLevel(logging.ERROR)
    libraries.datasets.disable_progress_bars()
    try:
        with quiet(libraries.transformers.utils.logging, bars=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        libraries.datasets.enable_progress_bars()
        trl.setLevel(level)

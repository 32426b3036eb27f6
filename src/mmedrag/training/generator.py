"""RAG-PT (section 7): a generator tuned to prefer supported answers.

Pairs of :mod:`mmedrag.training.answer_mining`, direct preference optimisation of adapters
(:mod:`mmedrag.training.dpo`), figures on patients that nothing was learned from. At the end the
adapters are merged into the weights, so that the folder is a model like any other.
"""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmedrag.answers.grounding import Judge
from mmedrag.answers.local_model import LanguageModel, window
from mmedrag.assembly import dictionary
from mmedrag.durability import write_durably
from mmedrag.errors import CheckpointError, CorpusError
from mmedrag.progress import Log, Progress, silent
from mmedrag.torch_import import Foreign
from mmedrag.training.answer_pairs import AnswerPair, Subset, read_pairs
from mmedrag.training.dpo import SAVE_EVERY, OnStep, Recipe, loaded, optimise, silence
from mmedrag.training.generator_figures import Figures, measure_generator
from mmedrag.training.likelihood import tokens
from mmedrag.training.tuning_import import Libraries, open_tuning
from mmedrag.views.report import finite

ADAPTER, RUN, CARD = "adapter", "run", "tuning.json"
"""In the folder: the adapters by themselves, checkpoints of the run, settings and figures."""

SETTINGS = "settings.json"

LONGEST = 4096
"""Tokens of a prompt and an answer; a longer pair is left out, for half an answer teaches none."""

ANSWERS = 40


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was written, from how many pairs, and the loss of each step."""

    into: Path
    pairs: int
    left_out: int
    losses: tuple[float, ...]
    figures: Figures

    def __str__(self) -> str:
        left = f" ({self.left_out} too long were left out)" if self.left_out else ""
        return "\n".join(
            [
                f"{self.pairs} pairs{left}, {len(self.losses)} steps: loss "
                f"{self.losses[0]:.4f} at first, {self.losses[-1]:.4f} at last",
                str(self.figures),
                f"use it: mmedrag ask CASEBASE --text QUESTION --generator {self.into}",
            ]
        )


def train_generator(
    data: Path,
    model: str,
    into: Path,
    recipe: Recipe | None = None,
    *,
    answers: int = ANSWERS,
    resume: bool = False,
    save_every: int = SAVE_EVERY,
    log: Log = lambda line: None,
    on_step: OnStep = lambda step, of: None,
    progress: Progress = silent,
) -> Tuned:
    """Tune a causal language model, measure it on held-out patients, and write it.

    Args:
        data: pairs, by ``mmedrag train pairs``.
        model: a folder or a hub id; its tokenizer must have a chat template.
        into: the folder to write; ``run`` in it holds the checkpoints until the end.
        recipe: the defaults where none is given.
        answers: written to held-out questions before and after, at most.
        resume: go on with the interrupted run in ``into``.
        save_every: steps between two checkpoints.
        log: told what is done.
        on_step: told the number of the step and of all steps.
        progress: told how many more pairs and answers are measured.

    Raises:
        MissingExtra: the extra ``tune`` is not installed.
        CorpusError: the pairs cannot be read, or are all too long.
        LeakError: a patient is learned from and measured on.
        CheckpointError: the model cannot be loaded, ``into`` holds a tuned one, or there is no run
            to go on with.
        GenerationError: the model has no chat template.
    """
    recipe, libraries = recipe or Recipe(), open_tuning()
    if (into / "config.json").exists():
        raise CheckpointError(f"{into} holds a tuned model already", "Choose another folder.")
    pairs = read_pairs(data)
    settings = _settings(data, model, recipe)
    run = into / RUN
    _require_run(run, settings, resume=resume)
    with silence(libraries):
        writer = loaded(model, libraries)
        train, held_out = _split(writer, pairs)
        log(f"{len(train)} pairs to learn from, {len(held_out)} held out")
        run.mkdir(parents=True, exist_ok=True)
        write_durably(run / SETTINGS, json.dumps(settings, indent=1) + "\n")
        losses = optimise(
            writer, train, run, into / ADAPTER, recipe, libraries,
            save_every=save_every, on_step=on_step,
        )  # fmt: skip
        del writer
        gc.collect()
        libraries.torch.cuda.empty_cache()  # does nothing where there is no GPU
        adapted = _adapted(model, into / ADAPTER, libraries)
        log("measuring on held-out patients")
        figures = _measured(adapted, held_out, answers, progress)
        card = {"base": model, **settings, "steps": len(losses), "figures": figures.data()}
        _export(adapted, into, card, libraries.transformers.AutoConfig.from_pretrained(model).dtype)
    shutil.rmtree(run)
    return Tuned(into, len(train), len(pairs) - len(train) - len(held_out), losses, figures)


def _settings(data: Path, model: str, recipe: Recipe) -> dict[str, Any]:
    """What a run depends on; one with others cannot go on from its checkpoints."""
    numbers = {name: getattr(recipe, name) for name in recipe.__slots__}
    try:
        digest = hashlib.sha256(data.read_bytes()).hexdigest()
    except OSError as error:
        raise CorpusError(
            f"{data} cannot be read ({error.strerror})", "Make one: mmedrag train pairs."
        ) from None
    return {"model": model, "pairs sha256": digest, **numbers}


def _require_run(run: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
    """Check that there is no run, or one that goes on with these settings."""
    if not resume:
        if (run / SETTINGS).exists():
            raise CheckpointError(
                f"{run} holds an interrupted run", "Go on with --resume, or choose another folder."
            )
        return
    try:
        earlier = json.loads((run / SETTINGS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"There is no run to go on with in {run} ({error})", "Start it without --resume."
        ) from None
    if changed := [name for name in settings if earlier.get(name) != settings[name]]:
        raise CheckpointError(
            f"The run in {run} had {changed[0]} {earlier.get(changed[0])!r}, "
            f"not {settings[changed[0]]!r}",
            "Resume with the settings it was started with, or start another folder.",
        )


def _longest(writer: LanguageModel) -> int:
    return min(LONGEST, window(writer.model))


def _split(
    writer: LanguageModel, pairs: Sequence[AnswerPair]
) -> tuple[list[AnswerPair], list[AnswerPair]]:
    """The pairs that fit, to learn from and held out.

    Raises:
        CorpusError: all pairs of a subset are too long.
    """
    fitting = _fitting(writer, pairs)
    train = [pair for pair in fitting if pair.subset is Subset.TRAIN]
    held_out = [pair for pair in fitting if pair.subset is Subset.HELD_OUT]
    if not train or not held_out:
        raise CorpusError(
            f"No pair of one part fits into {_longest(writer)} tokens",
            "Use a model with a larger window.",
        )
    return train, held_out


def _fitting(writer: LanguageModel, pairs: Sequence[AnswerPair]) -> list[AnswerPair]:
    """The pairs both of whose answers fit behind their prompt."""
    return [
        pair
        for pair in pairs
        if all(len(tokens(writer, pair.prompt, text).ids) <= _longest(writer)
               for text in (pair.chosen, pair.rejected))
    ]  # fmt: skip


def _adapted(model: str, adapter: Path, libraries: Libraries) -> LanguageModel:
    """The start anew, with the adapters beside its weights, ready to write."""
    base = loaded(model, libraries)
    network = libraries.peft.PeftModel.from_pretrained(base.model, str(adapter))
    return LanguageModel(network.eval(), base.tokenizer)


def _measured(
    adapted: LanguageModel, held_out: Sequence[AnswerPair], answers: int, progress: Progress
) -> Figures:
    terms = dictionary()
    return measure_generator(
        adapted,
        adapted.model.disable_adapter,
        held_out,
        Judge(terms, terms.concepts),
        answers=answers,
        progress=progress,
    )


def _export(
    adapted: LanguageModel, into: Path, card: Mapping[str, Any], dtype: Foreign | None
) -> None:
    """Merge the adapters, and write a folder that transformers, vLLM and llama.cpp's tools read.

    The weights are as precise as those of the start, whose ``dtype`` this is. The configuration is
    written last: without it, the folder is no model.
    """
    merged = adapted.model.merge_and_unload()
    merged = merged.to(dtype or merged.dtype)
    merged_folder = into / "merged"
    merged.save_pretrained(str(merged_folder))
    adapted.tokenizer.save_pretrained(str(merged_folder))
    write_durably(into / CARD, json.dumps(finite(card), indent=1) + "\n")
    for file in sorted(merged_folder.iterdir(), key=lambda file: file.name == "config.json"):
        file.replace(into / file.name)
    merged_folder.rmdir()

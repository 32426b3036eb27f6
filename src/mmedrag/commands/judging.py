"""``mmedrag eval`` of encoders, routing, terms and answers."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmedrag.commands.asking import add_generator, generator_of
from mmedrag.commands.options import Commands, add_models, add_pictures, pairs
from mmedrag.commands.studies import show, study


def add(what: Commands) -> None:
    """encoders, text-encoders, modality, definitions, answers."""
    study(what, "encoders", "image-text similarity (4.1, 4.3)", _encoders)
    texts = study(
        what, "text-encoders", "text similarity (4.2, Table B)", _text_encoders, data=False
    )
    _add_files(texts)
    add_models(texts)
    modality = study(what, "modality", "routing, and what is not medical (3.2)", _modality)
    add_pictures(modality)
    study(what, "definitions", "terms and negation (3.4)", _definitions, data=False)
    answers = study(what, "answers", "citations, without retrieval, poisoned (3.6)", _answers,
                    data=False)  # fmt: skip
    _add_files(answers)
    answers.add_argument("--preset", default="offline", help="see 'mmedrag presets'")
    add_models(answers)
    answers.add_argument("--questions", type=int, default=40, metavar="N", help="a corpus (40)")
    add_generator(answers)


def _add_files(command: argparse.ArgumentParser) -> None:
    """Records that a study can do without."""
    command.add_argument("--data", type=Path, nargs="+", default=[], metavar="RECORDS.jsonl")


def _encoders(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.paper.encoders import evaluate_encoders

    models = pairs(options.model, "--model")
    with tqdm(unit="pair", disable=None) as bar:
        found = evaluate_encoders(
            options.data, preset=options.preset, models=models, progress=bar.update
        )  # fmt: skip
    return show(options, found)


def _text_encoders(options: argparse.Namespace) -> int:
    from mmedrag.paper.text_encoders import evaluate_text_encoders

    models = pairs(options.model, "--model")
    return show(options, evaluate_text_encoders(options.data, models=models))


def _modality(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.evaluation.modality import evaluate_modality

    with tqdm(unit="picture", disable=None) as bar:
        found = evaluate_modality(
            options.data,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            pictures=options.pictures,
            progress=bar.update,
        )
    return show(options, found)


def _definitions(options: argparse.Namespace) -> int:
    from mmedrag.evaluation.definitions import evaluate_definitions

    return show(options, evaluate_definitions())


def _answers(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.evaluation.answers import evaluate_answers

    with tqdm(unit="question", disable=None) as bar:
        found = evaluate_answers(
            options.data,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            generator=generator_of(options),
            questions=options.questions,
            progress=bar.update,
        )
    return show(options, found)

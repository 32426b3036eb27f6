"""Tuning a generator (RAG-PT): ``mmedrag train pairs`` and ``mmedrag train generator``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmedrag.commands.generator import add_generator, named_generator
from mmedrag.commands.options import Commands, at_least
from mmedrag.locations import location_of
from mmedrag.views.terminal import progress_bar, show


def add(subcommands: Commands) -> None:
    """Both commands, among those of ``train``."""
    _add_pairs(subcommands)
    _add_generator(subcommands)


def _add_pairs(subcommands: Commands) -> None:
    command = subcommands.add_parser(
        "pairs", help="pairs of answers to tune a generator on, made from a casebase (7)"
    )
    command.add_argument("casebase", type=location_of)
    command.add_argument(
        "--into", type=Path, required=True, metavar="FILE.jsonl", help="file of the pairs"
    )
    command.add_argument(
        "--questions", type=at_least(1), default=400, metavar="N",
        help="number of questions that are posed of the reports (default: 400)",
    )  # fmt: skip
    command.add_argument(
        "--samples", type=at_least(1), default=2, metavar="N",
        help="answers that the generator, where one is named, writes to each question; its faulty "
        "ones are rejected (default: 2)",
    )  # fmt: skip
    command.add_argument(
        "--seed",
        type=at_least(0),
        default=0,
        metavar="N",
        help="of the random numbers (default: 0)",
    )
    add_generator(command)
    command.set_defaults(run=_pairs)


def _pairs(options: argparse.Namespace) -> int:
    from mmedrag.training.answer_mining import mine_answers, sampled
    from mmedrag.training.answer_pairs import write_pairs

    writer = None if options.generator == "extractive" else sampled(named_generator(options))
    with progress_bar("question", "pose") as bar:
        mined = mine_answers(
            options.casebase,
            questions=options.questions,
            generator=writer,
            samples=options.samples,
            seed=options.seed,
            progress=bar.update,
        )
    write_pairs(options.into, mined.pairs)
    show(f"{mined}\nwrote {options.into}: reports of patients stand in it")
    return 0


def _add_generator(subcommands: Commands) -> None:
    command = subcommands.add_parser(
        "generator", help="a language model, to prefer answers that its evidence supports (7)"
    )
    command.add_argument(
        "--model", required=True, metavar="MODEL", help="a folder or a hub id of a causal model"
    )
    command.add_argument(
        "--data", type=Path, required=True, metavar="FILE.jsonl", help="made by 'train pairs'"
    )
    command.add_argument(
        "--into", type=Path, required=True, metavar="DIR", help="folder of the tuned model"
    )
    numbers = (
        ("--epochs", int, 1, "number of passes over the pairs"),
        ("--batch", int, 16, "pairs of one step"),
        ("--rate", float, 2e-5, "learning rate"),
        ("--beta", float, 0.1, "how strongly it is held to where it started"),
        ("--rank", int, 16, "rank of the adapters"),
        ("--seed", int, 0, "of the random numbers"),
        ("--answers", int, 40, "answers to held-out questions that are written and judged"),
    )
    for name, kind, default, summary in numbers:
        command.add_argument(
            name, type=kind, default=default, metavar="N", help=f"{summary} (default: {default})"
        )
    command.add_argument(
        "--resume", action="store_true", help="continue the interrupted run in --into"
    )
    command.set_defaults(run=_generator)


def _generator(options: argparse.Namespace) -> int:
    from mmedrag.training.dpo import Recipe
    from mmedrag.training.generator import train_generator

    recipe = Recipe(
        options.epochs, options.beta, options.rate, options.rank, options.batch, options.seed
    )
    with progress_bar("step", "train") as bar:

        def on_step(step: int, of: int) -> None:
            bar.total = of
            bar.update(step - bar.n)

        tuned = train_generator(
            options.data,
            options.model,
            options.into,
            recipe,
            answers=options.answers,
            resume=options.resume,
            log=bar.write,
            on_step=on_step,
        )
    show(str(tuned))
    return 0

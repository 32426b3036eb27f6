"""The paper's tables measured again: the studies of :mod:`mmedrag.paper` under ``mmedrag eval``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmedrag.commands.options import Commands, add_models, add_pictures, at_least, pairs
from mmedrag.commands.study import (
    add_records,
    add_study,
    run_study,
    show_sections,
    with_commands,
)
from mmedrag.errors import QueryError
from mmedrag.views.terminal import notify, progress_bar


def add(studies: Commands) -> None:
    """encoders, text-encoders, fusion, reward, sensitivity, paper."""
    add_study(studies, "encoders", "similarity of images and their texts (4.1, 4.3)", _encoders)
    texts = add_study(
        studies, "text-encoders", "similarity of texts (4.2, Table B)", _text_encoders, data=False
    )
    add_records(texts, required=False)
    add_models(texts)
    _add_fusion(studies)
    add_study(studies, "reward", "the reward model on patients held out (3.6)", _reward)
    _add_sensitivity(studies)
    _add_paper(studies)


def _encoders(options: argparse.Namespace) -> int:
    from mmedrag.paper.encoders import evaluate_encoders

    models = pairs(options.model, "--model")
    with progress_bar("pair", "embed") as bar:
        section = evaluate_encoders(
            options.data, preset=options.preset, models=models, progress=bar.update
        )
    return show_sections(options, section)


def _text_encoders(options: argparse.Namespace) -> int:
    from mmedrag.paper.text_encoders import evaluate_text_encoders

    section = evaluate_text_encoders(options.data, models=pairs(options.model, "--model"))
    return show_sections(options, section)


def _add_fusion(studies: Commands) -> None:
    command = add_study(
        studies, "fusion", "the fusion strategies of Table C (4.5, 4.7)", _fusion, data=False
    )
    add_records(command)
    command.add_argument(
        "--model", action="append", default=[], metavar="fusion=DIR",
        help="what 'mmedrag train fusion' wrote; without it the strategies are trained first",
    )  # fmt: skip


def _fusion(options: argparse.Namespace) -> int:
    from mmedrag.paper.fusion_section import evaluate_fusion

    models = pairs(options.model, "--model")
    if unknown := sorted(models.keys() - {"fusion"}):
        raise QueryError(f"This study has no model {unknown[0]}", "Write --model fusion=DIR.")
    folder = Path(models["fusion"]) if models else None
    with progress_bar("fusion", "measure") as bar:
        section = evaluate_fusion(options.data, folder=folder, progress=bar.update)
    return show_sections(options, section)


def _reward(options: argparse.Namespace) -> int:
    from mmedrag.paper.reward_section import evaluate_reward

    return run_study(options, "record", "mine", evaluate_reward)


def _add_sensitivity(studies: Commands) -> None:
    command = add_study(
        studies, "sensitivity", "whether encoders see fine findings, Tables 1 to 4 (5)",
        _sensitivity, data=False,
    )  # fmt: skip
    command.add_argument(
        "--seeds", type=at_least(1), default=20, metavar="N",
        help="number of synthetic images of each kind (default: 20)",
    )  # fmt: skip
    command.add_argument(
        "--xrays", type=Path, nargs="+", default=[], metavar="RECORDS.jsonl",
        help="real radiographs into which findings are drawn",
    )  # fmt: skip
    command.add_argument(
        "--gallery", type=Path, nargs="+", default=[], metavar="RECORDS.jsonl",
        help="records whose validation images are searched",
    )  # fmt: skip
    command.add_argument(
        "--model", action="append", default=[], metavar="NAME=PATH",
        help="weights of resnet50, resnet101, densenet121, efficientnet_b0 or vit_b16; any other "
        "name loads a network of transformers, lpa and mspp a trained pooling; repeatable",
    )  # fmt: skip


def _sensitivity(options: argparse.Namespace) -> int:
    from mmedrag.paper.sensitivity_section import evaluate_sensitivity

    if options.seeds < 2:
        raise QueryError(f"--seeds is {options.seeds}", "Give at least 2.")
    with progress_bar("part", "measure") as bar:
        section = evaluate_sensitivity(
            options.seeds,
            models=pairs(options.model, "--model"),
            xrays=options.xrays,
            gallery=options.gallery,
            progress=bar.update,
        )
    return show_sections(options, section)


def _add_paper(studies: Commands) -> None:
    command = add_study(studies, "paper", "all studies in one report", _paper, data=False)
    command.add_argument(
        "--data",
        type=Path,
        metavar="ROLES.toml",
        help="which record files play which role (default: synthetic cases play all of them)",
    )
    add_pictures(command)
    command.add_argument(
        "--only", nargs="+", default=[], metavar="STUDY", help="measure only these studies"
    )
    command.set_defaults(report=Path("report"))


def _paper(options: argparse.Namespace) -> int:
    from mmedrag.paper.report import outcomes, studies_of
    from mmedrag.paper.roles import draw_phantoms, read_roles, synthetic_roles
    from mmedrag.views.report import write_report

    folder = options.report / "phantoms"
    roles = (
        synthetic_roles(folder, options.pictures)
        if options.data is None
        else read_roles(options.data, options.pictures)
    )
    studies = studies_of(roles, options.only)  # a wrong name is refused before anything is drawn
    if options.data is None:
        draw_phantoms(folder)
    numbers = {name: i for i, name in enumerate((study.name for study in studies), 1)}
    measured = []

    def begin(name: str) -> None:
        notify(f"{numbers[name]} of {len(studies)}: {name}")

    try:
        for outcome in outcomes(studies, roles, begin):
            measured.append(outcome)
            notify(f"{'failed' if outcome.failed else 'done'} in {outcome.seconds:.0f} s")
            # A process that is killed keeps what it has measured.
            write_report(with_commands(options, [o.section for o in measured]), options.report)
    finally:
        if measured:
            show_sections(options, *(outcome.section for outcome in measured))
    return int(any(outcome.failed for outcome in measured))

"""The options that choose who writes the answer: ``--generator``, ``--llm``, ``--base-url``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmedrag.protocols import Generator


def add_generator(command: argparse.ArgumentParser) -> None:
    """Let a command take a generator; :func:`named_generator` makes it."""
    command.add_argument(
        "--generator",
        default="extractive",
        metavar="NAME",
        help="who writes the answer: extractive quotes the evidence on this machine (default), the "
        "folder of a language model runs it on this machine, groq and openai ask a chat model at "
        "Groq or at any OpenAI-compatible server",
    )
    command.add_argument("--llm", metavar="MODEL", help="name of the chat model")
    command.add_argument(
        "--base-url", metavar="URL", help="address of the chat server, as http://127.0.0.1:8080/v1"
    )
    command.add_argument(
        "--send-image", action="store_true", help="send the image of the question to the chat model"
    )


def generator_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options of :func:`add_generator`, for :func:`mmedrag.assembly.configure`.

    A folder is the generator ``local``.
    """
    from mmedrag.choices import GENERATORS

    names = ("generator", "llm", "base_url", "send_image")
    settings = {name: getattr(options, name, None) for name in names}
    chosen = settings["generator"]
    if chosen and chosen not in GENERATORS and Path(chosen).is_dir():
        return settings | {"generator": "local", "llm": str(Path(chosen).resolve())}
    return settings


def named_generator(options: argparse.Namespace) -> Generator:
    """The generator that was asked for.

    Raises:
        QueryError: there is no such generator, or the server or the model is not given.
        CheckpointError: the folder is not that of a model.
    """
    from mmedrag.choices import generator

    settings = generator_settings(options)
    return generator(settings.pop("generator") or "extractive", **settings)

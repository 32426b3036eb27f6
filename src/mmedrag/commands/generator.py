"""The options that choose who writes the answer: ``--generator``, ``--llm``, ``--base-url``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmedrag.errors import QueryError

if TYPE_CHECKING:
    from mmedrag.answers.chat import ChatGenerator


def add_generator(command: argparse.ArgumentParser) -> None:
    """Let a command take a generator; :func:`chat_generator` makes it."""
    command.add_argument(
        "--generator",
        choices=("extractive", "groq", "openai"),
        default="extractive",
        help="who writes the answer: extractive quotes the evidence on this machine (default), "
        "groq and openai ask a chat model at Groq or at any OpenAI-compatible server",
    )
    command.add_argument("--llm", metavar="MODEL", help="name of the chat model")
    command.add_argument(
        "--base-url", metavar="URL", help="address of the chat server, as http://127.0.0.1:8080/v1"
    )
    command.add_argument(
        "--send-image", action="store_true", help="send the image of the question to the chat model"
    )


def chat_generator(options: argparse.Namespace) -> ChatGenerator | None:
    """The chat model that was asked for; ``None`` is the extractive generator.

    Raises:
        QueryError: where the server or the model is not given.
    """
    if options.generator == "extractive":
        return None
    from mmedrag.answers.chat import GROQ_MODEL, groq, openai_compatible

    if options.generator == "groq":
        return groq(options.llm or GROQ_MODEL, send_image=options.send_image)
    if not options.base_url or not options.llm:
        raise QueryError("The generator openai needs a server", "Give --base-url and --llm.")
    return openai_compatible(options.base_url, options.llm, send_image=options.send_image)

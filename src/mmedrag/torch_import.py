"""PyTorch and transformers, which the installed package does without, are imported here alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeAlias

from mmedrag.errors import MissingExtra

Foreign: TypeAlias = Any
"""An object of PyTorch or transformers, which importing a module does not import."""


def open_torch(user: str = "This encoder") -> tuple[ModuleType, ModuleType]:
    """The modules ``torch`` and ``transformers``; ``user`` is what needs them, for the error.

    Raises:
        MissingExtra: where one of them is not installed.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra(
            f"{user} needs PyTorch and transformers ({error})",
            'Run: pip install "mmedrag[torch]"',
        ) from None
    return torch, transformers


@contextmanager
def quiet(logging: ModuleType, *, bars: bool) -> Iterator[None]:
    """No reports on heads that are not used and, where nothing is downloaded, no progress bars.

    Args:
        logging: ``transformers.utils.logging``.
        bars: whether progress bars are kept away too.
    """
    verbosity, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars and shown:
            logging.enable_progress_bar()

"""PyTorch and transformers, which the installed package does without, are imported here alone."""

from __future__ import annotations

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

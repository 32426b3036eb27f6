"""PyTorch and transformers, which the installed package does without, are imported here alone."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

from mmedrag.errors import MissingExtra

Foreign: TypeAlias = Any
"""An object of PyTorch or transformers, which importing a module does not import."""


def open_torch() -> tuple[ModuleType, ModuleType]:
    """The modules ``torch`` and ``transformers``.

    Raises:
        MissingExtra: where one of them is not installed.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra(
            f"This encoder needs PyTorch and transformers ({error})",
            'Run: pip install "mmedrag[torch]"',
        ) from None
    return torch, transformers

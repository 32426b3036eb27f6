"""What tunes a generator, the extra ``tune``, is imported here alone: trl, peft, datasets."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from mmedrag.errors import MissingExtra


@dataclass(frozen=True, slots=True)
class Libraries:
    """The modules of the extra."""

    torch: ModuleType
    transformers: ModuleType
    datasets: ModuleType
    peft: ModuleType
    trl: ModuleType


def open_tuning() -> Libraries:
    """The modules of the extra ``tune``.

    Raises:
        MissingExtra: one of them is not installed.
    """
    try:
        import peft
        import torch
        import transformers
        import trl

        import datasets
    except ImportError as error:
        raise MissingExtra(
            f"Tuning a generator needs trl and peft ({error})", 'Run: pip install "mmedrag[tune]"'
        ) from None
    return Libraries(torch, transformers, datasets, peft, trl)

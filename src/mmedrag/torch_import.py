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


def default_device() -> str:
    """``"cuda"`` where PyTorch has a GPU, else ``"cpu"``."""
    torch, _ = open_torch()
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def inference(device: Foreign) -> Iterator[None]:
    """Without gradients; on a GPU in half precision, bfloat16 where it has that, else float16.

    Args:
        device: the ``torch.device`` of the network.
    """
    torch, _ = open_torch()
    on_gpu = device.type == "cuda"
    small = on_gpu and not torch.cuda.is_bf16_supported()
    half = torch.float16 if small else torch.bfloat16
    with torch.inference_mode(), torch.autocast(device.type, dtype=half, enabled=on_gpu):
        yield


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

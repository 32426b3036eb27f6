"""OpenCLIP checkpoints (BiomedCLIP, CONCH and their kind) from a folder or the hub, on torch alone.

A checkpoint is ``open_clip_config.json`` with weights and the files of a tokeniser beside it, or
CONCH's three files under their published names; see :mod:`mmedrag.encoders.open_clip_towers` for
the networks. Importing this module imports no torch.
"""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from mmedrag.errors import CheckpointError
from mmedrag.torch_import import Foreign, open_torch

CONFIGS = ("open_clip_config.json", "conch_ViT-B-16.json")
WEIGHTS = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.bin", "pytorch_model.bin",
)  # fmt: skip
CONCH_TOKENIZER = "conch_byte_level_bpe_uncased.json"
CONCH_SPECIAL = {
    "pad_token": "<pad>",
    "bos_token": "<start_of_text>",
    "eos_token": "<end_of_text>",
}
CLIP_STATISTICS = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
}
_LOADING_FAILURES = (
    OSError, ValueError, RuntimeError, AttributeError, TypeError, EOFError, pickle.PickleError,
    SafetensorError,
)  # fmt: skip
_INTERPOLATIONS = {"bilinear": 2, "bicubic": 3}  # Pillow's numbers


def read_settings(path: Path) -> dict[str, Any]:
    """What a configuration says; CONCH's is of the network alone.

    Raises:
        CheckpointError: where it is damaged or lacks a tower.
    """
    try:
        settings = json.loads(path.read_text("utf-8"))
        if "vision_cfg" in settings:
            settings = {"model_cfg": settings}
        towers = settings["model_cfg"]["vision_cfg"], settings["model_cfg"]["text_cfg"]
        if not all(isinstance(tower, dict) for tower in towers):
            raise TypeError("vision_cfg and text_cfg are no objects")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no OpenCLIP configuration ({error!r})", "Download the model again."
        ) from None
    return dict(settings)


def open_model(name: str | Path, settings: Mapping[str, Any], weights: Path) -> Foreign:
    """The network of a checkpoint, float32, on the CPU.

    Raises:
        MissingExtra: without PyTorch and transformers.
        CheckpointError: where weights are damaged, incomplete, or of another layout.
    """
    torch, _ = open_torch()
    from safetensors.torch import load_file

    from mmedrag.encoders.open_clip_towers import OpenClip

    read: Callable[[Path], Any] = (
        load_file
        if weights.suffix == ".safetensors"
        else lambda path: torch.load(path, map_location="cpu", weights_only=True)
    )
    try:
        with warnings.catch_warnings():  # of torch, about pickles that it then refuses
            warnings.simplefilter("ignore")
            state = read(weights)
        return OpenClip(state.get("state_dict", state), settings["model_cfg"])
    except KeyError as error:
        reason = f"no tensor or setting {error}"
    except _LOADING_FAILURES as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
    raise CheckpointError(
        f"The OpenCLIP weights of {name} cannot be used ({reason})",
        "Download the model again. Vision transformers with BERT-type, CLIP or CoCa text towers "
        "can be loaded; other layouts (ResNet, RoBERTa) cannot.",
    )


def conch_tokenizer(path: Path) -> Foreign:
    """CONCH's tokeniser, whose file does not say what its special tokens are for.

    Raises:
        MissingExtra: without PyTorch and transformers.
        CheckpointError: where the file is damaged.
    """
    _, transformers = open_torch()
    try:
        return transformers.PreTrainedTokenizerFast(tokenizer_file=str(path), **CONCH_SPECIAL)
    except Exception as error:  # noqa: BLE001  # the library raises plain exceptions
        raise CheckpointError(
            f"The tokeniser {path} cannot be read ({error})", "Download it again."
        ) from None


def image_processor(settings: Mapping[str, Any]) -> Foreign:
    """The checkpoint's preprocessing, as an image processor of ``transformers`` on Pillow.

    Raises:
        MissingExtra: without PyTorch and transformers.
        CheckpointError: for a way of resizing that is not known.
    """
    _, transformers = open_torch()
    stated = settings.get("preprocess_cfg") or {}
    size = stated.get("size") or settings["model_cfg"]["vision_cfg"].get("image_size", 224)
    side = int(size[-1] if isinstance(size, list) else size)
    mode = stated.get("resize_mode") or "shortest"
    if mode not in ("shortest", "squash"):
        raise CheckpointError(f"The resizing {mode} is not known", "Use a model with another.")
    square = {"height": side, "width": side}
    # In transformers 5 the plain name is the version on torchvision, and warns without it.
    on_pillow = hasattr(transformers, "CLIPImageProcessorPil")
    processor = getattr(
        transformers, "CLIPImageProcessorPil" if on_pillow else "CLIPImageProcessor"
    )
    return processor(
        size={"shortest_edge": side} if mode == "shortest" else square,
        crop_size=square,
        do_center_crop=mode == "shortest",
        resample=_INTERPOLATIONS.get(stated.get("interpolation") or "bicubic", 3),
        image_mean=list(stated.get("mean") or CLIP_STATISTICS["mean"]),
        image_std=list(stated.get("std") or CLIP_STATISTICS["std"]),
    )

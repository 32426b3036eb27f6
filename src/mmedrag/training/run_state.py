"""An interrupted run put away and taken up: tensors as safetensors, the rest as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from mmedrag.durability import write_durably
from mmedrag.errors import CheckpointError

STATE = "state.json"


@dataclass(frozen=True, slots=True, eq=False)
class RunState:
    """After ``epochs`` passes: weights, AdamW's moments, the weights of the best epoch.

    ``settings`` are those of the run; one with others cannot go on from here.
    """

    epochs: int
    settings: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    best: Mapping[str, Tensor]


def write_state(folder: Path, state: RunState) -> None:
    """Replace the state in ``folder``; a run that dies meanwhile leaves the earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {"weights": state.weights, "moments": state.moments, "best": state.best}
    contents = save(
        {f"{group}/{n}": t.cpu().contiguous() for group, ts in named.items() for n, t in ts.items()}
    )
    tensors = folder / f"epoch-{state.epochs}.safetensors"
    write_durably(tensors, contents)
    state_json = {
        "epochs": state.epochs,
        "settings": dict(state.settings),
        "tensors": tensors.name,
        "sha256": hashlib.sha256(contents).hexdigest(),
    }
    write_durably(folder / STATE, json.dumps(state_json, indent=1) + "\n")
    for old in folder.glob("epoch-*.safetensors"):
        if old.name != tensors.name:
            old.unlink()


def read_state(folder: Path, settings: Mapping[str, Any]) -> RunState:
    """The state that :func:`write_state` left.

    Raises:
        CheckpointError: where there is none, it is damaged, or is of a run with other settings.
    """
    try:
        stored = json.loads((folder / STATE).read_text("utf-8"))
        contents = (folder / Path(str(stored["tensors"])).name).read_bytes()
        epochs, digest = int(stored["epochs"]), stored["sha256"]
        earlier = stored["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"There is no run to go on with in {folder} ({error})", "Start it without --resume."
        ) from None
    if hashlib.sha256(contents).hexdigest() != digest:
        raise CheckpointError(f"The state in {folder} is damaged", "Start anew in another folder.")
    if changed := sorted(key for key in settings if earlier.get(key) != settings[key]):
        raise CheckpointError(
            f"The run in {folder} had {changed[0]} {earlier.get(changed[0])!r}, "
            f"not {settings[changed[0]]!r}",
            "Resume with the settings it was started with, or start another folder.",
        )
    return RunState(epochs, earlier, *_tensor_groups(folder, contents))


def _tensor_groups(folder: Path, contents: bytes) -> tuple[dict[str, Tensor], ...]:
    try:
        tensors = load(contents)
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"The state in {folder} is damaged ({error})", "Start anew in another folder."
        ) from None
    split = [(name.partition("/"), tensor) for name, tensor in tensors.items()]
    return tuple(
        {key[2]: tensor for key, tensor in split if key[0] == group}
        for group in ("weights", "moments", "best")
    )

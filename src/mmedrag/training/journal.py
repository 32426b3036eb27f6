"""What a run has told so far: a line an epoch, the curves, and whether to go on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mmedrag.durability import write_durably
from mmedrag.errors import MissingExtra

LOG, CURVES = "log.jsonl", "curves.svg"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass: the mean loss, the temperature, R@k on the part that tunes and their mean."""

    epoch: int
    loss: float
    temperature: float
    recall: float
    tune: Mapping[str, Mapping[str, float]]
    seconds: float


def best_of(epochs: Sequence[Epoch]) -> Epoch:
    """The epoch of the highest mean recall; the last of equals, which is trained longer."""
    return max(epochs, key=lambda epoch: (epoch.recall, epoch.epoch))


def is_over(epochs: Sequence[Epoch], patience: int) -> bool:
    """Whether the last ``patience`` epochs brought nothing better."""
    return bool(epochs) and epochs[-1].epoch - best_of(epochs).epoch >= patience


def write_log(folder: Path, epochs: Sequence[Epoch]) -> None:
    """All epochs as JSON Lines; the file is replaced as a whole."""
    lines = [json.dumps(asdict(epoch)) for epoch in epochs]
    write_durably(folder / LOG, "".join(f"{line}\n" for line in lines))


def read_log(folder: Path) -> list[Epoch]:
    """The epochs that were written; none where there is no log."""
    path = folder / LOG
    if not path.exists():
        return []
    return [Epoch(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def draw_curves(folder: Path, epochs: Sequence[Epoch]) -> bool:
    """Recalls by epoch as ``curves.svg``; false where the plotting library is not installed."""
    from mmedrag.views.plots import lines

    numbers = [epoch.epoch + 1 for epoch in epochs]
    series: dict[str, tuple[list[int], list[float]]] = {
        f"{direction.replace('_', ' ')} {rank}": (
            numbers,
            [epoch.tune[direction][rank] for epoch in epochs],
        )
        for direction, ranks in epochs[0].tune.items()
        for rank in ranks
    }
    try:
        svg = lines(series, "epoch", "recall on the tuning part")
    except MissingExtra:
        return False
    write_durably(folder / CURVES, svg)
    return True

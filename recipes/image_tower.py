"""Does tuning the image encoder on captions and concepts help on sets that it never saw?

The late blocks of the encoder that ships go on learning three things at once from the training
parts of :data:`LEARNED`: what the records state of their images (as they have learned before),
which text goes with which image (InfoNCE; images of one patient and images with an equal text are
positives of each other), and which concepts the text affirms. Nothing is learned of the sets of
:data:`APART`, which are held out whole. Then the encoder that ships and the new one are asked for
the same sets with one pair of heads, fitted to the same training pairs. A run that was interrupted
goes on where it was; about 8 minutes of one core. ``python recipes/image_tower.py --data
../shared/data --into build/tower``

The encoder that ships, and so the new one, has learned from labels of odir5k and patolojiatlasi:
their figures say which of the two is better, and are not of sets that neither has seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import shipped_weights
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from mmedrag.datasets.corpus import codes, patient_of, text_key
from mmedrag.definitions import glossary
from mmedrag.encoders.fusion import LearnedFusion
from mmedrag.encoders.text import TextEncoder
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.ranking import success_at_k
from mmedrag.networks.lite0 import Lite0, imagenet_lite0
from mmedrag.presets import MODELS, offline_texts
from mmedrag.training.correlation import canonical_heads
from mmedrag.training.features import Features, cached_rows, read_set, text_rows
from mmedrag.training.image_tuning import CUT, folded, late_maps, middle_maps
from mmedrag.training.losses import SCALE, group_positives, symmetric_info_nce
from mmedrag.training.offline import drawing_shares, learnable, pairs
from mmedrag.training.sets import TrainingSet
from mmedrag.training.tasks import Task, tasks
from mmedrag.types import Assertion, Case, Domain

LEARNED = ("medpix2", "pathvqa", "covid_cxr")
APART = ("columbia_histology", "histology_med_project", "patolojiatlasi", "odir5k")
BY_CASE = frozenset({"medpix2", "columbia_histology", "histology_med_project"})
"""Sets whose texts are sentences of one case; the others are scored by equal text."""

EPOCHS, DRAWS, BATCH = 5, 2560, 64
RAREST = 12
"""Concepts that fewer training texts affirm are not learned."""

RATES = (3e-4, 2e-3)
SHARES = {"captions": 1.0, "concepts": 1.0}
"""Weights of these losses beside the sum of the classifications."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What is learned from: middle maps, classifications, text features, concepts and groups."""

    maps: list[np.ndarray]
    offsets: np.ndarray
    texts: Tensor
    concepts: Tensor
    groups: Tensor
    tasks: list[Task]
    shares: np.ndarray

    def batch(self, rows: np.ndarray) -> Tensor:
        """Middle maps of images, ``(n, 192, 9, 9)``."""
        sets = np.searchsorted(self.offsets, rows, side="right") - 1
        found = [self.maps[s][r - self.offsets[s]] for s, r in zip(sets, rows, strict=True)]
        return torch.tensor(np.stack(found), dtype=torch.float32)


class Heads(nn.Module):
    """What stands on the pooled features while they are learned."""

    def __init__(self, examples: Examples, dim: int = 256) -> None:
        super().__init__()
        self.classes = nn.ModuleList(nn.Linear(1280, task.count) for task in examples.tasks)
        self.image = nn.Linear(1280, dim)
        self.text = nn.Linear(examples.texts.shape[1], dim)
        self.concepts = nn.Linear(1280, examples.concepts.shape[1])
        self.scale = nn.Parameter(torch.tensor(SCALE).log())


def described(root: Path) -> dict[str, TrainingSet]:
    """The sets of the shipped recipe and one more, by name; an image goes with its own text."""
    more = TrainingSet("histology_med_project", root / "histology_med_project" / "records.jsonl")
    return {
        one.name: replace(one, wordings=lambda case: [case.text])
        for one in (*shipped_weights.sets(root), more)
    }


def images_of(source: TrainingSet) -> list[Case]:
    """The cases of a set with an image."""
    return [case for case in read_set(source.records) if case.image is not None]


def shipped_lite0() -> Lite0:
    """The image encoder that ships, as a network without batch normalisation."""
    network = folded(imagenet_lite0())
    stored = onnx.load(MODELS / "image.onnx").graph.initializer
    tensors = {t.name.removeprefix("backbone."): numpy_helper.to_array(t) for t in stored}
    state = {}
    for name, like in network.state_dict().items():
        values = tensors.get(name)
        if values is None:  # int8, with a scale for each output channel
            scale = tensors[f"{name}.scale"].reshape(-1, *[1] * (like.ndim - 1))
            values = tensors[f"{name}.int8"].astype(np.float32) * scale
        state[name] = torch.tensor(values)
    network.load_state_dict(state)
    return network


def gathered(
    sets: Sequence[Features], allowed: frozenset[str], backbone: Lite0, texts: TextEncoder,
    cache: Path,
) -> Examples:  # fmt: skip
    """The training examples of some sets, of which only the cases ``allowed`` are drawn."""
    members = [(one.source, case) for one in sets for case in one.cases]
    sizes = [len(one.cases) for one in sets]
    cases = [case for _, case in members]
    mask = np.array([case.id in allowed for case in cases])
    learned_tasks = [task for task in tasks(members, mask) if task.count]
    shares = drawing_shares(members) * mask
    groups = np.stack([codes(patient_of(c) for c in cases), codes(text_key(c.text) for c in cases)])
    return Examples(
        maps=[middle_maps(backbone, one.cases, 0, cache) for one in sets],
        offsets=np.cumsum([0, *sizes[:-1]]),
        texts=torch.tensor(
            cached_rows(cache, f"tower {texts.fingerprint}", cases, lambda c: text_rows(c, texts))
        ),
        concepts=affirmed(cases, mask),
        groups=torch.tensor(groups.T.copy()),
        tasks=learned_tasks,
        shares=shares / shares.sum(),
    )


def affirmed(cases: Sequence[Case], mask: np.ndarray) -> Tensor:
    """Which concepts the texts affirm, ``(n, concepts)``, 0 or 1."""
    recognised = glossary().recognise([case.text for case in cases])
    stated = [
        {m.concept for m in mentions if m.assertion is Assertion.AFFIRMED}
        for mentions in recognised
    ]
    every = sorted(set().union(*stated))
    table = np.array([[c in said for c in every] for said in stated], np.float32)
    return torch.tensor(table[:, table[mask].sum(axis=0) >= RAREST])


def loss_of(backbone: Lite0, heads: Heads, examples: Examples, rows: np.ndarray) -> Tensor:
    """The sum of the losses of a batch."""
    features = late_maps(backbone, examples.batch(rows)).mean(dim=(2, 3))
    dropped = functional.dropout(features, 0.3)
    total = torch.zeros(())
    for head, task in zip(heads.classes, examples.tasks, strict=True):
        labels = torch.tensor(task.classes[rows])
        if (labels >= 0).any():
            total = total + functional.cross_entropy(
                head(dropped), labels, ignore_index=-1, label_smoothing=0.1
            )
    image = functional.normalize(heads.image(dropped), dim=1)
    text = functional.normalize(heads.text(examples.texts[rows]), dim=1)
    positive = group_positives(examples.groups[rows])
    captions = symmetric_info_nce(image, text, positive, heads.scale.exp().clamp(max=100.0))
    concepts = functional.binary_cross_entropy_with_logits(
        heads.concepts(dropped), examples.concepts[rows], reduction="sum"
    ) / len(rows)
    return total + SHARES["captions"] * captions + SHARES["concepts"] * concepts / 4


def tuned(examples: Examples, into: Path, epochs: int) -> Lite0:
    """The network after the last epoch; the state after each is kept in a file."""
    backbone, random = shipped_lite0(), np.random.default_rng(0)
    torch.manual_seed(0)
    heads = Heads(examples)
    late = [*backbone._blocks[CUT:].parameters(), *backbone._conv_head.parameters()]
    groups = [{"params": late}, {"params": [*heads.parameters()]}]
    optimiser = torch.optim.AdamW(groups, lr=RATES[0], weight_decay=0.05)
    steps = DRAWS // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, list(RATES), total_steps=epochs * steps, pct_start=0.1
    )
    sampled = random.choice(len(examples.shares), (epochs, steps, BATCH), p=examples.shares)
    learning = {"backbone": backbone, "heads": heads, "optimiser": optimiser, "schedule": schedule}
    start, file = 0, into / "state.pt"
    if file.exists():
        state = torch.load(file, weights_only=True)
        start = state.pop("epoch")
        for name, part in learning.items():
            part.load_state_dict(state[name])
    for epoch in range(start, epochs):
        losses = []
        for rows in np.sort(sampled[epoch], axis=1):
            loss = loss_of(backbone, heads, examples, rows)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        state = {name: part.state_dict() for name, part in learning.items()}
        torch.save({**state, "epoch": epoch + 1}, file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.3f}", flush=True)
    return backbone


def features(
    backbone: Lite0, sets: Sequence[Features], start: Lite0, cache: Path
) -> list[Features]:
    """The sets with the network's features, from the middle maps that both networks share."""
    out = []
    with torch.no_grad():
        for one in sets:
            maps = middle_maps(start, one.cases, 0, cache)
            rows = [
                late_maps(backbone, torch.tensor(maps[i : i + 32], dtype=torch.float32))
                .mean(dim=(2, 3))
                .numpy()
                for i in range(0, len(maps), 32)
            ]
            out.append(Features(one.source, one.cases, np.concatenate(rows)))
    return out


def measured(
    sets: Sequence[Features], allowed: frozenset[str], texts: TextEncoder, cache: Path
) -> dict[str, list[str]]:
    """Recalls of validation parts and of whole sets, with heads fitted to the cases ``allowed``."""
    train = [
        one.only([i for i, case in enumerate(one.cases) if case.id in allowed])
        for one in sets
        if one.set_name in LEARNED
    ]
    parts = [pairs(one, domain, texts, cache) for one in train for domain in Domain]
    images, captions, weights = (np.concatenate([part[i] for part in parts]) for i in range(3))
    tensors = canonical_heads(images, captions, weights)
    heads = LearnedFusion("contrastive", images.shape[1], captions.shape[1], 128, tensors, "fitted")
    lines = {}
    for one in sets:
        whole = one.set_name in APART
        held = [
            i for i, c in enumerate(one.cases) if c.text.strip() and (whole or c.split == "val")
        ]
        if held:
            lines[one.set_name] = recalls(heads, one.only(held), texts)
    return lines


def recalls(heads: LearnedFusion, part: Features, texts: TextEncoder) -> list[str]:
    """R@1 and R@10 from image to text, text to image and image to image of other patients."""
    n = len(part.cases)
    yes, no = np.ones(n, bool), np.zeros(n, bool)
    image = heads.fuse(part.rows, None, yes, no)
    text = heads.fuse(None, texts.encode([c.text for c in part.cases]), no, yes)
    by_case = part.set_name in BY_CASE
    groups = codes(patient_of(c) if by_case else text_key(c.text) for c in part.cases)
    right = groups[:, None] == groups
    others = right & ~np.eye(n, dtype=bool)
    centred = part.rows - part.rows.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True) + 1e-9
    alike = centred @ centred.T - 9.0 * np.eye(n)
    scores = image.astype(float) @ text.T.astype(float)
    cells = [f"n={n}"]
    for name, found, wanted in (
        ("image->text", scores, right),
        ("text->image", scores.T, right),
        ("image->image", alike, others),
    ):
        rows = [i for i in range(n) if wanted[i].any()]
        values = np.array([[success_at_k(np.round(found[i], 9), wanted[i], k) for k in (1, 10)]
                           for i in rows])  # fmt: skip
        for k, mean, (low, high) in zip(
            (1, 10), values.mean(axis=0), interval(values, groups[rows]), strict=True
        ):
            cells.append(f"{name} R@{k} {mean:.3f} ({low:.3f}-{high:.3f})")
    return cells


def main() -> None:
    """Tune, and print a line for each set and encoder."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--into", type=Path, required=True, help="state of the run, weights")
    options.add_argument("--cache", type=Path, default=Path(".cache/features"))
    options.add_argument("--epochs", type=int, default=EPOCHS)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    given.into.mkdir(parents=True, exist_ok=True)
    texts, sets = offline_texts(MODELS / "tuned"), described(given.data)
    start, empty = folded(imagenet_lite0()), np.zeros((0, 0), np.float32)
    learned, apart = (
        [Features(sets[name], images_of(sets[name]), empty) for name in names]
        for names in (LEARNED, APART)
    )
    allowed = frozenset(case.id for one in learned for case in learnable(one.cases))
    examples = gathered(learned, allowed, start, texts, given.cache)
    print(f"{len(allowed)} images, {examples.concepts.shape[1]} concepts", flush=True)
    network = tuned(examples, given.into, given.epochs)
    asked = [*learned, *apart]
    for name, judged in (("ships", shipped_lite0()), ("new", network)):
        found = features(judged, asked, start, given.cache)
        for set_name, cells in measured(found, allowed, texts, given.cache).items():
            print(f"{set_name:22s} {name:9s}", "  ".join(cells), flush=True)


if __name__ == "__main__":
    main()

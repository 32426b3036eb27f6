"""Tuning MiniLM on pairs of texts, and writing it for ONNX Runtime with int8 weights.

The embeddings and the lower layers stay as they were trained on a billion sentence pairs; the upper
ones learn by InfoNCE with one wrong text a pair. At the end tuned and original weights are
averaged (Wortsman et al. 2022, WiSE-FT), which keeps what general English the small data would wash
out.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import BertWordPieceTokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from mmedrag.progress import Log
from mmedrag.training.text_pairs import Family, Random, TextPair

FROZEN = 3
"""Lower layers that are not tuned, beside the embeddings."""

LONGEST = 48
"""Tokens of a text in training; in use texts may be as long as the window."""

KEPT = 50
"""Steps after which an interrupted run goes on."""

SCALE = 20.0
"""Inverse temperature, as MiniLM was trained."""


@dataclass(frozen=True, slots=True)
class Course:
    """How many steps of how many pairs, at which peak rate, from which seed."""

    steps: int = 300
    batch: int = 48
    rate: float = 1e-4
    warm_up: int = 30
    seed: int = 7


def tune_texts(
    network: BertModel,
    tokenizer: BertWordPieceTokenizer,
    families: Mapping[str, tuple[float, Family]],
    course: Course,
    *,
    state: Path | None = None,
    log: Log = print,
) -> None:
    """Tune the upper layers (in place); every batch is of one family, drawn by its share.

    Args:
        network: MiniLM, without a pooler.
        tokenizer: its word pieces, of the library tokenizers.
        families: what is learned from, by name, with its share of the steps.
        course: how long.
        state: a file that holds the run every :data:`KEPT` steps, from which it goes on.
        log: told the losses by family.
    """
    random = np.random.default_rng(course.seed)
    torch.manual_seed(course.seed)
    # Without dropout: pairs differ enough, and its random numbers cost a third of the time.
    network.eval()  # type: ignore[no-untyped-call]
    late = upper_parameters(network)
    optimiser = torch.optim.AdamW(late, lr=course.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, course))
    names = sorted(families)
    shares = np.array([families[name][0] for name in names])
    losses: dict[str, list[float]] = {name: [] for name in names}
    run = _Run(network, optimiser, schedule, random)
    for step in range(run.resume(state), course.steps):
        name = names[random.choice(len(names), p=shares / shares.sum())]
        pairs = draw_batch(families[name][1], course.batch, random)
        loss = pair_loss(network, tokenizer, pairs)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(late, 1.0)
        optimiser.step()
        schedule.step()
        losses[name].append(loss.item())
        if (step + 1) % KEPT == 0:
            means = ", ".join(f"{n} {np.mean(v):.3f}" for n, v in losses.items() if v)
            log(f"step {step + 1} of {course.steps}: {means}")
            losses = {name: [] for name in names}
        if state is not None and (step + 1) % KEPT == 0:
            run.keep(state, step + 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """All that a run depends on: weights, AdamW's memory, rate and random numbers."""

    network: BertModel
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    random: Random

    def keep(self, path: Path, step: int) -> None:
        state = {
            "step": step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": self.random.bit_generator.state,
        }
        partial = path.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(path)

    def resume(self, path: Path | None) -> int:
        """The step to go on with; 0 where there is no file."""
        if path is None or not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.random.bit_generator.state = state["random"]
        return int(state["step"])


def upper_parameters(network: BertModel) -> list[nn.Parameter]:
    """What is tuned; all else is frozen."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    late = [p for layer in network.encoder.layer[FROZEN:] for p in layer.parameters()]
    for parameter in late:
        parameter.requires_grad_(True)
    return late


def draw_batch(family: Family, size: int, random: Random) -> list[TextPair]:
    """Pairs of a family; as few as possible are of the same group."""
    by_group: dict[str, TextPair] = {}
    for _ in range(3 * size):
        pair = family(random)
        by_group.setdefault(pair.group, pair)
        if len(by_group) == size:
            break
    return list(by_group.values())


def pair_loss(
    network: BertModel, tokenizer: BertWordPieceTokenizer, pairs: Sequence[TextPair]
) -> Tensor:
    """Symmetric InfoNCE over the pairs, each with its wrong text as one more candidate."""
    n = len(pairs)
    wrong = [i for i, pair in enumerate(pairs) if pair.wrong]
    texts = [p.one for p in pairs] + [p.other for p in pairs] + [pairs[i].wrong for i in wrong]
    vectors = embed(network, tokenizer, texts)
    one, other = vectors[:n], vectors[n : 2 * n]
    logits = SCALE * one @ other.T
    hard = torch.full((n, 2), -1e4)
    if wrong:
        turned = vectors[2 * n :]
        hard[wrong, 0] = SCALE * (one[wrong] * turned).sum(dim=1)
        hard[wrong, 1] = SCALE * (other[wrong] * turned).sum(dim=1)
    targets = torch.arange(n)
    forth = functional.cross_entropy(torch.cat([logits, hard[:, :1]], dim=1), targets)
    back = functional.cross_entropy(torch.cat([logits.T, hard[:, 1:]], dim=1), targets)
    return (forth + back) / 2


def embed(network: BertModel, tokenizer: BertWordPieceTokenizer, texts: Sequence[str]) -> Tensor:
    """Unit vectors ``(n, dim)``, mean over tokens; texts of like length are encoded together."""
    tokens = _token_ids(tokenizer, texts)
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    batches = [order[i : i + 64] for i in range(0, len(order), 64)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rows = [_pooled(network, [tokens[i] for i in batch]) for batch in batches]
    position = torch.empty(len(order), dtype=torch.long)
    position[torch.tensor(order)] = torch.arange(len(order))
    return functional.normalize(torch.cat(rows)[position], dim=1)


def _token_ids(tokenizer: BertWordPieceTokenizer, texts: Sequence[str]) -> list[list[int]]:
    encodings = tokenizer.encode_batch(list(texts))
    return [
        ids if len(ids) <= LONGEST else [*ids[: LONGEST - 1], ids[-1]]
        for ids in (encoding.ids for encoding in encodings)
    ]


def _pooled(network: BertModel, tokens: Sequence[Sequence[int]]) -> Tensor:
    length = max(map(len, tokens))
    ids = torch.zeros((len(tokens), length), dtype=torch.long)
    mask = torch.zeros((len(tokens), length), dtype=torch.long)
    for row, one in enumerate(tokens):
        ids[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = 1
    states = network(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = mask[:, :, None].float()
    pooled: Tensor = (states.float() * weights).sum(dim=1) / weights.sum(dim=1)
    return pooled


def _share(step: int, course: Course) -> float:
    if step < course.warm_up:
        return (step + 1) / course.warm_up
    return max(0.02, (course.steps - step) / (course.steps - course.warm_up))


def blended(
    original: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """``share`` of the tuned weights, the rest of the original ones."""
    return {
        name: torch.lerp(value, tuned[name], share) if value.is_floating_point() else value
        for name, value in original.items()
    }


class _States(nn.Module):
    """A network with one output, for the exporter."""

    def __init__(self, network: BertModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        # Masked here: the tracer leaves a mask out that hides nothing in its example.
        hidden = (1.0 - attention_mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        states: Tensor = self.network(
            input_ids=input_ids, attention_mask=hidden.expand(-1, 1, input_ids.shape[1], -1)
        ).last_hidden_state
        return states


def export_texts(network: BertModel, into: Path) -> None:
    """Write the network as ONNX: ``input_ids``, ``attention_mask`` to ``last_hidden_state``."""
    inputs = (torch.ones((2, 8), dtype=torch.long), torch.ones((2, 8), dtype=torch.long))
    names = ("input_ids", "attention_mask", "last_hidden_state")
    with warnings.catch_warnings():  # of the old exporter
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _States(network).eval(),
            inputs,
            str(into),
            input_names=list(names[:2]),
            output_names=[names[2]],
            dynamic_axes={name: {0: "n", 1: "length"} for name in names},
            opset_version=17,
            dynamo=False,
        )

"""Fits the model that reads what a question asks for (:mod:`mmedrag.answers.question_model`).

Two witnesses are fitted apart, and their logarithms are added with fixed shares: the lower layers
of MiniLM, tuned on the questions, know other words for the same; n-grams with terms masked know
spellings, and languages that MiniLM hardly does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import BertWordPieceTokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from mmedrag.answers.question_model import BUCKETS, KIND, LABELS, hashed
from mmedrag.checkpoint import Checkpoint
from mmedrag.progress import Log
from mmedrag.training.text_tuning import embed
from mmedrag.types import Matrix, Vector

LAYERS = 3
"""Lower layers of MiniLM that read questions; all of them are tuned, the embeddings are not."""

SHARE = 0.7
"""Of the encoder, the rest is of the n-grams; chosen on lists that are not reported."""

SCALE = 8.0
"""Length of the vector of a question."""

WORDS, PENALTY = 2.0, 2.0
"""Length of the vector of n-grams; the penalty of its squared weights, by the examples."""

RIDGE, SMOOTHING = 2e-4, 0.05
"""The penalty of the squared weights of the head; how much of a label is given to all."""

_STEPS = 80
_GROUP = 40
"""Batches that are sorted by length together."""


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence that asks, as it stands and with its terms masked, and what it asks for."""

    request: str
    wording: str
    label: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Course:
    """How often the examples are seen, how many at once, and the peak rates of layers and head."""

    epochs: float = 2.5
    batch: int = 32
    rate: float = 2e-4
    head_rate: float = 1e-3
    warm_up: int = 60
    seed: int = 7


def lower_layers(network: BertModel, count: int = LAYERS) -> BertModel:
    """The same network without the layers above (in place)."""
    network.encoder.layer = network.encoder.layer[:count]
    network.config.num_hidden_layers = count
    return network


def smaller_vocabulary(network: BertModel, kept: Sequence[int]) -> None:
    """Leave out the embeddings of all word pieces but these, which are numbered in their order."""
    table = network.embeddings.word_embeddings
    weight = table.weight.detach()[torch.tensor(list(kept))]
    smaller = nn.Embedding(len(kept), weight.shape[1], padding_idx=0)
    smaller.weight.data.copy_(weight)
    network.embeddings.word_embeddings = smaller
    network.config.vocab_size = len(kept)


def tune(
    network: BertModel,
    tokenizer: BertWordPieceTokenizer,
    examples: Sequence[Example],
    course: Course,
    log: Log = print,
) -> None:
    """Tune the layers (in place), first a head on them alone (LP-FT, Kumar et al. 2022)."""
    torch.manual_seed(course.seed)
    # Without dropout: its random numbers cost a third of the time.
    network.eval()  # type: ignore[no-untyped-call]
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        vectors = embed(network, tokenizer, [e.request for e in examples])
    head = fit_head(vectors.numpy(), examples)
    late = list(network.encoder.layer.parameters())
    for parameter in late:
        parameter.requires_grad_(True)
    groups = [
        {"params": late, "lr": course.rate},
        {"params": head.parameters(), "lr": course.head_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    batches = list(_batches(examples, course))
    total = len(batches)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate(step, total, course.warm_up)
    )
    targets, weights = _targets(examples)
    losses: list[float] = []
    for step, batch in enumerate(batches, 1):
        logits = head(SCALE * embed(network, tokenizer, [examples[i].request for i in batch]))
        loss = _loss(logits, targets[batch], weights[batch], SMOOTHING)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(late, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 200 == 0:
            log(f"step {step} of {total}: {np.mean(losses[-200:]):.3f}")


def fit_head(vectors: Matrix, examples: Sequence[Example]) -> nn.Linear:
    """Softmax regression on unit vectors ``(n, dim)`` times :data:`SCALE`, with a ridge penalty."""
    inputs = SCALE * torch.from_numpy(vectors)
    head = nn.Linear(inputs.shape[1], len(LABELS))
    targets, weights = _targets(examples)

    def loss() -> Tensor:
        lost = _loss(head(inputs), targets, weights, SMOOTHING)
        return lost + RIDGE * (head.weight**2).sum()

    _minimise(list(head.parameters()), loss)
    return head


def fit_words(examples: Sequence[Example]) -> tuple[Matrix, Vector]:
    """Softmax regression on n-grams with a ridge penalty, by L-BFGS on all examples at once.

    Returns:
        ``(BUCKETS, labels)`` and ``(labels,)``.
    """
    counts = _counts([hashed(e.wording) for e in examples])
    targets, weights = _targets(examples)
    table = torch.zeros(BUCKETS, len(LABELS), requires_grad=True)
    bias = torch.zeros(len(LABELS), requires_grad=True)

    def loss() -> Tensor:
        lost = _loss(torch.sparse.mm(counts, table) + bias, targets, weights)
        return lost + PENALTY / 2 * (table**2).sum() / len(examples)

    _minimise([table, bias], loss)
    learned = np.asarray(WORDS * table.detach().numpy(), np.float32)
    return learned, np.asarray(bias.detach().numpy(), np.float32)


def joined(
    head: nn.Linear, words: Matrix, bias: Vector, fingerprint: str, training_data: Sequence[str]
) -> Checkpoint:
    """The checkpoint of both witnesses.

    Args:
        head: of :func:`fit_head`, on vectors of the encoder as it will be opened.
        words: of :func:`fit_words`.
        bias: of the same.
        fingerprint: of that encoder.
        training_data: names of what the examples are from.
    """
    sense = SCALE * SHARE * head.weight.detach().numpy().T
    both = SHARE * head.bias.detach().numpy() + (1 - SHARE) * bias
    return Checkpoint(
        kind=KIND,
        tensors={
            "words": np.asarray((1 - SHARE) * words, np.float32),
            "sense": np.ascontiguousarray(sense, np.float32),
            "bias": np.asarray(both, np.float32),
        },
        encoders={"text": fingerprint},
        training_data=list(training_data),
        settings={"labels": list(LABELS)},
    )


def _targets(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    labels = list(LABELS)
    targets = torch.tensor([labels.index(e.label) for e in examples])
    return targets, torch.tensor([e.weight for e in examples])


def _loss(logits: Tensor, targets: Tensor, weights: Tensor, smoothing: float = 0.0) -> Tensor:
    losses = functional.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
    return (weights * losses).mean()


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    optimiser = torch.optim.LBFGS(parameters, max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        total = loss()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(closure)  # type: ignore[no-untyped-call]


def _batches(examples: Sequence[Example], course: Course) -> Iterator[list[int]]:
    """Places of examples, in random order, those of like length together."""
    random = np.random.default_rng(course.seed)
    left = int(course.epochs * len(examples) / course.batch)
    size = course.batch * _GROUP
    while left > 0:
        order = random.permutation(len(examples))
        for start in range(0, len(order), size):
            group = sorted(order[start : start + size], key=lambda i: len(examples[i].request))
            batches = [group[i : i + course.batch] for i in range(0, len(group), course.batch)]
            for chosen in random.permutation(len(batches))[:left]:
                yield [int(i) for i in batches[chosen]]
            left -= min(left, len(batches))


def _rate(step: int, total: int, warm_up: int) -> float:
    if step < warm_up:
        return (step + 1) / warm_up
    return max(0.02, (total - step) / max(1, total - warm_up))


def _counts(rows: Sequence[np.ndarray]) -> Tensor:
    """The n-grams of each wording as a sparse matrix of rows of the same length."""
    row = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    values = np.repeat([WORDS / np.sqrt(len(r)) for r in rows], [len(r) for r in rows])
    indices = torch.from_numpy(np.stack([row, np.concatenate(rows)]))
    size = (len(rows), BUCKETS)
    matrix = torch.sparse_coo_tensor(
        indices, torch.from_numpy(values).float(), size, check_invariants=False
    )
    return matrix.coalesce()

"""Fits the model that reads what a question asks for (:mod:`mmedrag.answers.question_model`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mmedrag.answers.question_model import BUCKETS, KIND, LABELS, hashed
from mmedrag.checkpoint import Checkpoint
from mmedrag.types import Matrix

BATCH = 64
PENALTY = 2.0
"""Of the squared weights, divided by the number of examples."""
WORDS, SENSE = 2.0, 2.0
"""Lengths of the two vectors of a question; chosen on lists that are not reported."""
_STEPS = 150


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence that asks, as it stands and with its terms masked, and what it asks for."""

    request: str
    wording: str
    label: str
    weight: float = 1.0


def train_question_kinds(
    examples: Sequence[Example],
    encode: Callable[[Sequence[str]], Matrix],
    fingerprint: str,
    training_data: Sequence[str],
) -> Checkpoint:
    """Softmax regression with a ridge penalty, by L-BFGS on all examples at once.

    Args:
        examples: of every label of :data:`~mmedrag.answers.question_model.LABELS`.
        encode: text encoder, ``(n, dim)``.
        fingerprint: the encoder's.
        training_data: names of what the examples are from.
    """
    labels = list(LABELS)
    requests = [e.request for e in examples]
    batches = [encode(requests[i : i + BATCH]) for i in range(0, len(requests), BATCH)]
    sense = torch.from_numpy(SENSE * np.concatenate(batches))
    words = _counts([hashed(e.wording) for e in examples])
    targets = torch.tensor([labels.index(e.label) for e in examples])
    share = torch.tensor([e.weight for e in examples])
    table = torch.zeros(BUCKETS, len(labels), requires_grad=True)
    linear = torch.zeros(sense.shape[1], len(labels), requires_grad=True)
    bias = torch.zeros(len(labels), requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [table, linear, bias], max_iter=_STEPS, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = torch.sparse.mm(words, table) + sense @ linear + bias
        losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        ridge = (table**2).sum() + (linear**2).sum()
        total = (share * losses).mean() + PENALTY / 2 * ridge / len(examples)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return Checkpoint(
        kind=KIND,
        tensors={
            "words": np.asarray(WORDS * table.detach().numpy(), np.float32),
            "sense": np.asarray(SENSE * linear.detach().numpy(), np.float32),
            "bias": bias.detach().numpy(),
        },
        encoders={"text": fingerprint},
        training_data=list(training_data),
        settings={"labels": labels},
    )


def _counts(rows: Sequence[np.ndarray]) -> torch.Tensor:
    """The n-grams of each wording as a sparse matrix of rows of the same length."""
    row = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    values = np.repeat([WORDS / np.sqrt(len(r)) for r in rows], [len(r) for r in rows])
    indices = torch.from_numpy(np.stack([row, np.concatenate(rows)]))
    size = (len(rows), BUCKETS)
    matrix = torch.sparse_coo_tensor(
        indices, torch.from_numpy(values).float(), size, check_invariants=False
    )
    return matrix.coalesce()

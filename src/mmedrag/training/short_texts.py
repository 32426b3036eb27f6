"""A head for texts of a few words, taught by the names and definitions of the glossary alone.

The head of :mod:`mmedrag.training.modality` learns from reports and is lost with "touch imprint".
The glossary has thousands of short names whose domains are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mmedrag.checkpoint import Checkpoint
from mmedrag.definitions.terms import Term
from mmedrag.routing import SHORT_TEXTS
from mmedrag.training.softmax import Examples, fit_head
from mmedrag.types import Domain, Matrix

BATCH = 64
TEMPERATURE = 1.5
"""Above 1, because the head is surer of names that it has learned than it should be of others.
Chosen on seven sets of short terms (benchmarks/text_routing.py)."""


def train_short_texts(
    terms: Iterable[Term], encode: Callable[[Sequence[str]], Matrix], fingerprint: str
) -> Checkpoint:
    """Softmax regression on sentence features of names and definitions; a class a domain.

    A concept of two domains teaches the first, one of all teaches nothing.

    Args:
        terms: of the glossary.
        encode: text encoder, ``(n, dim)``.
        fingerprint: the encoder's.
    """
    domains = list(Domain)
    pairs = [
        (text, domains.index(Domain(term.domains[0])))
        for term in terms
        if 0 < len(term.domains) < len(domains)
        for text in (term.term, *term.synonyms, *term.abbreviations, *term.lay, term.definition)
    ]
    texts, classes = [text for text, _ in pairs], np.array([label for _, label in pairs])
    batches = [encode(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
    rows = np.concatenate(batches)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    examples = Examples(rows.astype(np.float32), classes, ("glossary",) * len(texts))
    weight, bias = fit_head(examples, len(domains))
    return Checkpoint(
        kind=SHORT_TEXTS,
        tensors={"weight": weight, "bias": bias},
        encoders={"text": fingerprint},
        training_data=["glossary"],
        settings={
            "classes": [str(domain) for domain in domains],
            "temperature": TEMPERATURE,
        },
    )

"""The text encoder of section 3.3: texts to unit vectors, however long the text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tokenizers import BertWordPieceTokenizer

from mmedrag.encoders.onnx import OnnxModel
from mmedrag.errors import CheckpointError
from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Matrix

Pooling = Literal["mean", "cls"]
"""How a window's token vectors become one: their mean, or the first ([CLS], section 3.3)."""

MOST_TOKENS = 512
"""Of one call of a network on ONNX Runtime, which keeps the memory of its largest one: eight long
windows at once take no less time than two, and 150 MB in place of 30."""

MOST_WINDOWS = 32
"""Windows of one text that are encoded, about 5,000 words: longer texts take no more time."""

IntMatrix = NDArray[np.int64]


@runtime_checkable
class TextEncoder(Protocol):
    """Texts to features of norm 1.

    Laws: ``encode([])`` is ``(0, dim)``; rows are float32 and finite, one a text, in order; the
    composition of batches does not matter (to 1e-4); every part of a long text counts, beyond
    :data:`MOST_WINDOWS` windows those that are spread over it. Equal fingerprints mean equal
    features.
    """

    @property
    def dim(self) -> int:
        """The width of a row."""
        ...

    @property
    def fingerprint(self) -> str:
        """The weights and settings, in a line."""
        ...

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, ``(len(texts), dim)``."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one text that fits a model: its token ids, special tokens included."""

    text: int
    """Which text, by position."""
    ids: Sequence[int]
    weight: int
    """How many of the tokens are the text's own; at least 1."""


def encode_windows(
    windows: Sequence[Window],
    n_texts: int,
    run: Callable[[IntMatrix, IntMatrix], Matrix],
    *,
    batch_size: int,
    padding_id: int = 0,
    width: int | None = None,
    most_tokens: int | None = None,
) -> Matrix:
    """Pooled vectors of windows, averaged by text with their token counts as weights, norm 1.

    Windows are sorted by length and padded to the longest of their batch, so that little of the
    work is spent on padding.

    Args:
        windows: at least one for each text.
        n_texts: how many texts there are; at least one.
        run: token ids and attention mask ``(b, length)`` to pooled vectors ``(b, dim)``.
        batch_size: windows in one call of ``run``.
        padding_id: the token that fills up.
        width: pad every batch to this length, for models that were trained so.
        most_tokens: of one call, padding included, as far as one window has not more.
    """
    order = sorted(range(len(windows)), key=lambda i: len(windows[i].ids))
    sums: NDArray[np.float64] | None = None
    for batch in _batches([windows[i] for i in order], batch_size, most_tokens, width):
        pooled = run(*padded(batch, padding_id, width))
        if sums is None:
            sums = np.zeros((n_texts, pooled.shape[1]))
        for window, vector in zip(batch, pooled, strict=True):
            sums[window.text] += window.weight * vector.astype(np.float64)
    if sums is None:
        raise ValueError("no windows")
    return unit_rows(sums)


def _batches(
    windows: Sequence[Window], most: int, most_tokens: int | None, width: int | None
) -> Iterator[Sequence[Window]]:
    """Windows that come from short to long, in batches of so many windows and tokens at most."""
    start = 0
    for end, window in enumerate(windows):
        tokens = (width or len(window.ids)) * (end + 1 - start)
        too_many = most_tokens is not None and tokens > most_tokens
        if end > start and (end - start == most or too_many):
            yield windows[start:end]
            start = end
    if windows:
        yield windows[start:]


def spread(windows: Sequence[Window], most: int = MOST_WINDOWS) -> list[Window]:
    """At most ``most`` windows of each text: the first, the last, and others evenly between."""
    by_text: dict[int, list[Window]] = {}
    for window in windows:
        by_text.setdefault(window.text, []).append(window)
    return [
        windows[round(i)]
        for windows in by_text.values()
        for i in np.linspace(0, len(windows) - 1, min(most, len(windows))).tolist()
    ]


def pool_tokens(states: Matrix, mask: IntMatrix, pooling: Pooling) -> Matrix:
    """Token vectors ``(b, length, dim)`` to ``(b, dim)``: [CLS], or the mean over the mask."""
    if pooling == "cls":
        return states[:, 0]
    weights = mask.astype(np.float32)
    summed = np.einsum("bld,bl->bd", states, weights)
    return np.asarray(summed / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def well_formed(texts: Sequence[str]) -> list[str]:
    """The texts with lone surrogates (JSON can carry them, UTF-8 cannot) replaced by ``?``."""
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


class WordPiece:
    """BERT's tokeniser with a vocabulary file, cutting long texts into overlapping windows.

    Args:
        vocabulary: ``vocab.txt``, one token a line.
        window: the longest sequence, [CLS] and [SEP] included.
        overlap: tokens that neighbouring windows share, so that no phrase is cut in both.
        lowercase: as the model was trained.

    Raises:
        CheckpointError: where the vocabulary is absent or lacks BERT's special tokens.
    """

    def __init__(
        self, vocabulary: Path, *, window: int = 256, overlap: int = 32, lowercase: bool = True
    ) -> None:
        contents = _read_vocabulary(vocabulary)
        self._tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=lowercase)
        self._tokenizer.enable_truncation(window, stride=overlap)
        digest = hashlib.sha256(contents).hexdigest()[:8]
        case = "uncased" if lowercase else "cased"
        self.fingerprint = f"wordpiece-{digest}-{case}-{window}/{overlap}"

    def windows(self, texts: Sequence[str]) -> list[Window]:
        """The windows of every text, in order; an empty text has one, without tokens of its own."""
        windows = []
        for position, encoding in enumerate(self._tokenizer.encode_batch(well_formed(texts))):
            for window in (encoding, *encoding.overflowing):
                windows.append(Window(position, window.ids, max(1, len(window.ids) - 2)))
        return spread(windows)


class OnnxTextEncoder:
    """A BERT-type model in ONNX Runtime; implements :class:`TextEncoder`.

    Args:
        model: the ONNX file; inputs ``input_ids`` and ``attention_mask`` (and ``token_type_ids``)
            of int64 ``(b, length)``, output ``last_hidden_state`` ``(b, length, dim)``.
        tokenizer: cuts texts into windows.
        pooling: ``"mean"`` for sentence encoders, ``"cls"`` for the paper's BERT.
        threads: of ONNX Runtime; 0 takes all cores.
        batch_size: windows in one call of the network.
        sha256: the digest that the file must have.

    Raises:
        CheckpointError: where the model is damaged or lacks an input or output.
    """

    def __init__(
        self,
        model: Path,
        tokenizer: WordPiece,
        *,
        pooling: Pooling = "mean",
        threads: int = 0,
        batch_size: int = 8,
        sha256: str | None = None,
    ) -> None:
        self._model = OnnxModel(model, threads=threads, sha256=sha256)
        self._model.require_inputs("input_ids", "attention_mask")
        self._tokenizer = tokenizer
        self._pooling = pooling
        self._batch_size = batch_size
        self.dim = self._model.width("last_hidden_state")
        self.fingerprint = f"onnx:{self._model.sha256[:16]}:{pooling}:{tokenizer.fingerprint}"

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, float32 ``(len(texts), dim)``."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        windows = self._tokenizer.windows(texts)
        return encode_windows(
            windows,
            len(texts),
            self._run,
            batch_size=self._batch_size,
            most_tokens=MOST_TOKENS,
        )

    def _run(self, ids: IntMatrix, mask: IntMatrix) -> Matrix:
        feed = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self._model.inputs:
            feed["token_type_ids"] = np.zeros_like(ids)
        return pool_tokens(self._model.run(["last_hidden_state"], feed)[0], mask, self._pooling)


def padded(
    batch: Sequence[Window], padding_id: int, width: int | None
) -> tuple[IntMatrix, IntMatrix]:
    """Token ids and attention mask ``(b, length)``, padded to ``width`` or the longest window."""
    length = width or max(len(w.ids) for w in batch)
    ids = np.full((len(batch), length), padding_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(batch):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
    return ids, mask


def _read_vocabulary(path: Path) -> bytes:
    try:
        contents = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"The vocabulary {path} cannot be read ({error.strerror})",
            "Install the package again, or give the path of a BERT vocab.txt.",
        ) from None
    tokens = set(contents.split(b"\n"))
    if missing := {b"[PAD]", b"[UNK]", b"[CLS]", b"[SEP]"} - tokens:
        raise CheckpointError(
            f"{path} lacks {b' '.join(sorted(missing)).decode()}",
            "It is damaged or no BERT vocabulary; install the package again.",
        )
    return contents

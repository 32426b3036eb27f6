"""The dual encoder of section 3.3: cases, queries and definitions to vectors of one space."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import Lock
from typing import Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from PIL import Image

from mmedrag.encoders.attribution import SimilarityMaps, region_maps
from mmedrag.encoders.fusion import Fusion
from mmedrag.encoders.image import ImageEncoder, MapEncoder
from mmedrag.encoders.strategies import Mask
from mmedrag.encoders.text import TextEncoder
from mmedrag.imaging.decoding import open_image
from mmedrag.measures.cosines import unit_rows
from mmedrag.remembering import forgettable
from mmedrag.threads import cores
from mmedrag.types import Definition, Embeddable, ImageSource, Matrix, Query, Vector

CHUNK = 16
"""Images decoded ahead while the previous ones are encoded; bounds the memory for pixels."""

Picture: TypeAlias = tuple[ImageSource, int | None]
"""An image file, its bytes or its pixels, and the frame; ``None`` is the usual one."""


class DualEncoder:
    """An image encoder, a text encoder, and the fusion that joins them; an ``Embedder``.

    A case is its image and its report, a query what the user gave, a definition its term and text.
    Cases and definitions keep the norm that the fusion gives them: at most 1, less where a
    modality is absent and the fusion counts that as no evidence
    (:class:`~mmedrag.encoders.fusion.Concat`).
    Queries are scaled to norm 1, so that a similarity is comparable between all cases.

    Args:
        images: the vision encoder.
        texts: the text encoder.
        fusion: made for the widths of both.
        workers: threads that decode image files; ``None`` takes up to 4, as there are cores.
    """

    def __init__(
        self,
        images: ImageEncoder,
        texts: TextEncoder,
        fusion: Fusion,
        *,
        workers: int | None = None,
    ) -> None:
        self.images = images
        self.texts = texts
        self.fusion = fusion
        self._workers = workers or min(4, cores())
        self.dim = fusion.dim
        self.fingerprint = (
            f"dual({images.fingerprint} & {texts.fingerprint} > {fusion.fingerprint})"
        )

    def embed(
        self,
        items: Sequence[Embeddable],
        pictures: Sequence[Image.Image | None] | None = None,
    ) -> Matrix:
        """Vectors, float32 ``(len(items), dim)``, by the laws of ``protocols.Embedder``.

        Args:
            items: what to embed.
            pictures: the items' images where they are decoded already; ``None`` for an item
                without one.

        Raises:
            ImageError: where an item's image cannot be decoded; it names the file.
        """
        texts = [text_of(item) for item in items]
        seen: Sequence[Picture | Image.Image | None] = (
            [picture_of(item) for item in items] if pictures is None else pictures
        )
        has_text = np.array([bool(text.strip()) for text in texts], dtype=np.bool_)
        has_image = np.array([picture is not None for picture in seen], dtype=np.bool_)
        if not len(items):
            return np.zeros((0, self.dim), dtype=np.float32)
        fused = self.fusion.fuse(
            self._image_features(seen, has_image),
            self._text_features(texts, has_text),
            has_image,
            has_text,
        )
        queries = np.array([isinstance(item, Query) for item in items], dtype=np.bool_)
        return np.where(queries[:, None], unit_rows(fused), fused)

    def similarity_maps(self, first: Image.Image, second: Image.Image) -> SimilarityMaps | None:
        """What regions add to the cosine of two images; ``None`` without feature maps."""
        images = self.images
        encoder = images.encoder if isinstance(images, Remembering) else images
        if not isinstance(encoder, MapEncoder) or encoder.channels != images.dim:
            return None
        return region_maps(encoder, first, second, getattr(self.fusion, "image_reduction", None))

    def _text_features(self, texts: Sequence[str], present: Mask) -> Matrix | None:
        """Features by row; a text that occurs many times (captions do) is encoded once."""
        distinct = list(dict.fromkeys(t for t, there in zip(texts, present, strict=True) if there))
        if not distinct:
            return None
        row_of = {text: i for i, text in enumerate(distinct)}
        features = np.zeros((len(texts), self.texts.dim), dtype=np.float32)
        rows = [row_of[t] for t, there in zip(texts, present, strict=True) if there]
        features[present] = self.texts.encode(distinct)[rows]
        return features

    def _image_features(
        self, pictures: Sequence[Picture | Image.Image | None], present: Mask
    ) -> Matrix | None:
        if not present.any():
            return None
        features = np.zeros((len(pictures), self.images.dim), dtype=np.float32)
        wanted = [picture for picture in pictures if picture is not None]
        chunks = decoded_chunks(wanted, CHUNK, self._workers)
        features[present] = np.concatenate([self.images.encode(chunk) for chunk in chunks])
        return features


Item = TypeVar("Item", str, Image.Image)


_Encoded = TypeVar("_Encoded", str, Image.Image, contravariant=True)


class _Encoder(Protocol[_Encoded]):
    """What :class:`ImageEncoder` and :class:`TextEncoder` have in common."""

    @property
    def dim(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    def encode(self, items: Sequence[_Encoded], /) -> Matrix: ...


class Remembering(Generic[Item]):
    """An image or text encoder that remembers the last items, by their content.

    A query and a case that names no domain are wanted twice, by the modality classifier and by the
    embedder; both are given the same ``Remembering``, and they are encoded once. Larger batches
    pass through. Implements :class:`ImageEncoder` or :class:`TextEncoder`.

    Args:
        encoder: what encodes.
        size: how many items are remembered (their features only): more than are indexed at once.
    """

    def __init__(self, encoder: _Encoder[Item], size: int = 64) -> None:
        self.encoder: _Encoder[Item] = encoder
        self._size = size
        self._cache: OrderedDict[bytes | str, Vector] = OrderedDict()
        self._lock = Lock()
        self.dim = encoder.dim
        self.fingerprint = encoder.fingerprint
        forgettable(self)

    def cache_clear(self) -> None:
        """Forget every item."""
        with self._lock:
            self._cache.clear()

    def encode(self, items: Sequence[Item], /) -> Matrix:
        """Features, float32 ``(len(items), dim)``."""
        if not 0 < len(items) <= self._size:
            return self.encoder.encode(items)
        keys = [_content(item) for item in items]
        with self._lock:
            cached = {key: self._cache[key] for key in keys if key in self._cache}
        new = {key: item for key, item in zip(keys, items, strict=True) if key not in cached}
        encoded: dict[bytes | str, Vector] = {}
        if new:
            encoded.update(zip(new, self.encoder.encode(list(new.values())), strict=True))
            self._remember(encoded)
        return np.stack([cached[key] if key in cached else encoded[key] for key in keys])

    def _remember(self, encoded: dict[bytes | str, Vector]) -> None:
        with self._lock:
            self._cache.update(encoded)
            while len(self._cache) > self._size:
                self._cache.popitem(last=False)


def text_of(item: Embeddable) -> str:
    """What of an item goes to the text encoder: a definition's term stands before its text."""
    return f"{item.term}: {item.text}" if isinstance(item, Definition) else item.text


def picture_of(item: Embeddable) -> Picture | None:
    """An item's image file (or bytes) and frame, if it has one."""
    if isinstance(item, Definition) or item.image is None:
        return None
    return item.image, item.frame


def decoded_chunks(
    pictures: Sequence[Picture | Image.Image], size: int, workers: int
) -> Iterator[list[Image.Image]]:
    """Decoded images in order, ``size`` at a time; the next chunk is decoded meanwhile.

    Images that are decoded already pass as they are.

    Raises:
        ImageError: at the first that cannot be decoded.
    """
    if len(pictures) == 1:  # a query: no thread is worth its start
        yield [_decoded(pictures[0])]
        return
    with ThreadPoolExecutor(workers, "decode") as executor:
        remaining = iter(pictures)

        def submit() -> list[Future[Image.Image]]:
            return [executor.submit(_decoded, picture) for picture in islice(remaining, size)]

        ahead = submit()
        try:
            while ahead:
                current, ahead = ahead, submit()
                yield [future.result() for future in current]
        finally:
            for future in ahead:
                future.cancel()


def _decoded(picture: Picture | Image.Image) -> Image.Image:
    return picture if isinstance(picture, Image.Image) else open_image(*picture)


def _content(item: str | Image.Image) -> bytes | str:
    return item if isinstance(item, str) else _pixels(item)


def _pixels(image: Image.Image) -> bytes:
    digest = hashlib.sha256(f"{image.mode} {image.size}".encode())
    digest.update(image.tobytes())
    return digest.digest()

"""Records that can be found and those that are asked about, embedded once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL.Image import Image

from mmedrag.datasets.corpus import Codes, Relevance, codes, problem_notes, text_key
from mmedrag.datasets.splits import split_cases
from mmedrag.datasets.ties import Reason, Tie, read_sets
from mmedrag.errors import CorpusError, ImageError
from mmedrag.imaging.decoding import image_digest, open_image
from mmedrag.progress import Progress, silent
from mmedrag.protocols import DefinitionSource, Embedder
from mmedrag.types import Case, Matrix, Mention, Problem

BATCH = 32
TUNED_SHARE = 0.15
"""Of the patients that are not asked about: choices are made on them."""


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """Records that can be found, embedded once; what hides them from a query; what they mention.

    ``roles`` says of each record whether it is asked about (``"asked"``), tuned on (``"tuned"``)
    or neither (``"rest"``). ``encoder`` is the embedder's fingerprint.
    """

    cases: tuple[Case, ...]
    roles: tuple[str, ...]
    vectors: Matrix
    groups: Codes
    images: Codes
    texts: Codes
    mentions: tuple[tuple[Mention, ...], ...]
    truth: Relevance
    encoder: str
    notes: tuple[str, ...]


def read_gallery(
    paths: Sequence[Path],
    embedder: Embedder,
    definitions: DefinitionSource,
    *,
    split: str,
    size: int,
    progress: Progress = silent,
) -> Gallery:
    """Read sets, draw whole patients up to ``size`` records (the asked ones first), embed them.

    Args:
        paths: files of the native format.
        embedder: of the preset that is measured.
        definitions: recognises the terms of the reports.
        split: of the patients who are asked about; where empty, patients are drawn.
        size: records, the same share of each set.
        progress: told how many more records are embedded.

    Raises:
        CorpusError: where a file cannot be read or holds nothing of the split.
    """
    cases, problems = read_sets(paths)
    roles = _query_groups(cases, split)
    kept = _sampled(cases, roles, size // len(paths))
    cases, roles = [cases[i] for i in kept], [roles[i] for i in kept]
    cases, vectors, digests, unread = _embedded(cases, embedder, progress)
    groups = codes(case.patient_id or case.id for case in cases)
    return Gallery(
        cases=tuple(cases),
        roles=tuple(roles),
        vectors=vectors,
        groups=groups,
        images=codes(digests),
        texts=codes(text_key(case.text) for case in cases),
        mentions=tuple(definitions.recognise([case.text for case in cases])),
        truth=Relevance.of(cases, groups),
        encoder=embedder.fingerprint,
        notes=problem_notes([*problems, *unread]),
    )


def _query_groups(cases: Sequence[Case], split: str) -> list[str]:
    """``asked`` for the held-out patients, ``tuned`` for some of the others, ``rest``."""
    if split:
        queried = {case.id for case in cases if case.split == split}
        if not queried:
            others = sorted({case.split for case in cases if case.split})
            raise CorpusError(
                f"No record of the split {split}", f"There are: {', '.join(others) or 'none'}."
            )
    else:
        queried = {case.id for case in _carved(cases, 2 * TUNED_SHARE)}
    tuned = {c.id for c in _carved([c for c in cases if c.id not in queried], TUNED_SHARE)}
    names = {**dict.fromkeys(tuned, "tuned"), **dict.fromkeys(queried, "asked")}
    return [names.get(case.id, "rest") for case in cases]


def _carved(cases: Sequence[Case], share: float) -> list[Case]:
    """About that share of the patients, always the same ones."""
    patients: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        patients[case.patient_id or case.id].append(case.id)
    ties = [Tie(Reason.PATIENT, tuple(ids)) for ids in patients.values()]
    return split_cases(cases, share, ties=ties)[1]


def _sampled(cases: Sequence[Case], roles: Sequence[str], each: int) -> list[int]:
    """Records of whole patients, those who are asked and tuned on first, ``each`` a set."""
    groups = codes(case.patient_id or case.id for case in cases)
    order = np.random.default_rng(0).permutation(int(groups.max()) + 1)
    first = {int(g) for g, role in zip(groups, roles, strict=True) if role != "rest"}
    members: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[int(group)].append(row)
    room: dict[str, int] = defaultdict(lambda: each)
    kept: list[int] = []
    for group in sorted(order.tolist(), key=lambda g: g not in first):
        source = cases[members[group][0]].id.partition("/")[0]
        if room[source] > 0:
            kept += members[group]
            room[source] -= len(members[group])
    return sorted(kept)


def _embedded(
    cases: Sequence[Case], embedder: Embedder, progress: Progress
) -> tuple[list[Case], Matrix, list[str | None], list[Problem]]:
    """Cases (without images that cannot be read), vectors, digests of the images, problems."""
    sound: list[Case] = []
    digests: list[str | None] = []
    problems: list[Problem] = []
    vectors = [np.zeros((0, embedder.dim), np.float32)]
    for batch in _batches(cases):
        pictures: list[Image | None] = []
        for case in batch:
            picture, digest = _decoded(case, problems)
            pictures.append(picture)
            digests.append(digest)
            sound.append(case if picture is not None else replace(case, image=None))
        vectors.append(embedder.embed(sound[-len(batch) :], pictures))
        progress(len(batch))
    return sound, np.concatenate(vectors), digests, problems


def _batches(cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    return (cases[i : i + BATCH] for i in range(0, len(cases), BATCH))


def _decoded(case: Case, problems: list[Problem]) -> tuple[Image | None, str | None]:
    if case.image is None:
        return None, None
    try:
        return open_image(case.image, case.frame), image_digest(case.image, case.frame)
    except ImageError as error:
        problems.append(Problem(case.image, None, str(error)))
        return None, None

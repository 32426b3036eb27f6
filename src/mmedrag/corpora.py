"""A corpus as a casebase knows it: what lacks an id keeps the one it had, wherever the corpus lies.

Cases without ids are named after their corpus (``key/row-7``, ``key/scan.png``), and the key stands
for the place where it lies, so that two corpora of one name stay apart. A casebase remembers
the place behind each key. A corpus that comes from another place is taken for a moved one where its
old place is empty and its first cases are those that are stored; it then keeps its key. A copy of a
corpus that is still there is another corpus.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from mmedrag.datasets import read_corpus
from mmedrag.datasets.rows import corpus_key
from mmedrag.errors import ImageError
from mmedrag.preparation import Prepared, Row, case_of, content_digest
from mmedrag.pseudonym_key import key_of
from mmedrag.stores import CaseDatabase
from mmedrag.types import Case, Domain

_SETTING = "corpora"
_DIGEST = 8  # characters of a key that stand for the place
_SAMPLE = 16
"""Cases by which a corpus is recognised; more than half of them must be as they are stored."""


def corpus_of(
    casebase: CaseDatabase,
    path: Path,
    kind: str = "auto",
    *,
    domain: Domain | None = None,
    columns: Mapping[str, str] | None = None,
) -> Iterator[Row]:
    """Read a corpus to fill a casebase, with the casebase's key of pseudonyms and its ids.

    Raises:
        CorpusError: as :func:`mmedrag.datasets.read_corpus`.
        CasebaseError: the casebase cannot be written.
    """
    items = read_corpus(path, kind, domain=domain, columns=columns, salt=key_of(casebase))
    return named(casebase, path, items)


def named(casebase: CaseDatabase, path: Path, items: Iterator[Row]) -> Iterator[Row]:
    """What was read of a corpus (by its path), with the casebase's ids.

    Raises:
        CasebaseError: the casebase cannot be written.
    """
    own = corpus_key(path)
    prefix = f"{own}/"
    first: list[Row] = []
    after_corpus: list[Case] = []
    for item in items:
        first.append(item)
        case = case_of(item)
        if case is not None and case.id.startswith(prefix) and not _is_deidentified(case):
            after_corpus.append(case)
        if len(after_corpus) == _SAMPLE or (not after_corpus and len(first) == _SAMPLE):
            break
    key = _key(casebase, path, own, after_corpus) if after_corpus else own
    for item in chain(first, items):
        yield _renamed(item, own, key)


def _renamed(item: Row, own: str, key: str) -> Row:
    """A row under the casebase's key of its corpus."""
    case = case_of(item)
    if case is None or key == own or not case.id.startswith(f"{own}/"):
        return item
    study = case.study_id
    if study.startswith(f"{own}/"):  # the row of several images
        study = f"{key}/{study.removeprefix(f'{own}/')}"
    case = replace(case, id=f"{key}/{case.id.removeprefix(f'{own}/')}", study_id=study)
    return replace(item, case=case) if isinstance(item, Prepared) else case


def _is_deidentified(case: Case) -> bool:
    """Whether the name of the folder may be a patient's, so that it is not remembered."""
    return "deidentified" in case.meta


def _key(casebase: CaseDatabase, path: Path, own: str, sample: Sequence[Case]) -> str:
    """The key of a corpus in this casebase, which from now on remembers its place."""
    locations, here = _locations(casebase), str(path.absolute())
    key = next((key for key, location in locations.items() if location == here), None)
    if key is not None:
        return key
    alike = re.compile(rf"{re.escape(own[:-_DIGEST])}[0-9a-f]{{{_DIGEST}}}(?=/|$)")
    stored = (match[0] for case_id in casebase.ids() if (match := alike.match(case_id)))
    keys = dict.fromkeys([*filter(alike.match, locations), *stored])
    gone = [k for k in keys if k not in locations or not Path(locations[k]).exists()]
    gone.sort(key=lambda k: k != own)
    key = own if own in gone and own not in locations else None
    key = key or next((k for k in gone if _holds(casebase, k, own, sample)), None)
    key = key or next(k for n in count() if (k := corpus_key(path, n)) not in keys)
    casebase.set(_SETTING, json.dumps({**locations, key: here}))
    return key


def _locations(casebase: CaseDatabase) -> dict[str, str]:
    try:
        locations = json.loads(casebase.settings.get(_SETTING, "{}"))
    except ValueError:
        return {}
    return locations if isinstance(locations, dict) else {}


def _holds(casebase: CaseDatabase, key: str, own: str, sample: Sequence[Case]) -> bool:
    """Whether the casebase holds more than half of these cases under another key."""
    same = 0
    for case in sample:
        stored = casebase.get(f"{key}/{case.id.removeprefix(f'{own}/')}")
        try:
            content = content_digest(case)
        except ImageError:
            continue
        same += (
            stored is not None
            and stored.text == case.text
            and content in casebase.vectors_by_content([content])
        )
    return 2 * same > len(sample)

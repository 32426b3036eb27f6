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
from mmedrag.indexing import content_digest
from mmedrag.pseudonym_key import key_of
from mmedrag.stores import CaseDatabase
from mmedrag.types import Case, Domain, Problem

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
) -> Iterator[Case | Problem]:
    """Read a corpus to fill a casebase, with the casebase's key of pseudonyms and its ids.

    Raises:
        CorpusError: as :func:`mmedrag.datasets.read_corpus`.
        CasebaseError: the casebase cannot be written.
    """
    items = read_corpus(path, kind, domain=domain, columns=columns, salt=key_of(casebase))
    own = corpus_key(path)
    prefix = f"{own}/"
    first: list[Case | Problem] = []
    named: list[Case] = []  # after the corpus
    for item in items:
        first.append(item)
        if isinstance(item, Case) and item.id.startswith(prefix) and not _is_deidentified(item):
            named.append(item)
        if len(named) == _SAMPLE or (not named and len(first) == _SAMPLE):
            break
    key = _key(casebase, path, own, named) if named else own
    for item in chain(first, items):
        if isinstance(item, Case) and key != own and item.id.startswith(prefix):
            yield replace(item, id=f"{key}/{item.id.removeprefix(prefix)}")
        else:
            yield item


def _is_deidentified(case: Case) -> bool:
    """Whether the name of the folder may be a patient's, so that it is not remembered."""
    return "deidentified" in case.meta


def _key(casebase: CaseDatabase, path: Path, own: str, sample: Sequence[Case]) -> str:
    """The key of a corpus in this casebase, which from now on remembers its place."""
    places, here = _places(casebase), str(path.absolute())
    key = next((key for key, place in places.items() if place == here), None)
    if key is not None:
        return key
    alike = re.compile(rf"{re.escape(own[:-_DIGEST])}[0-9a-f]{{{_DIGEST}}}(?=/|$)")
    stored = (match[0] for case_id in casebase.ids() if (match := alike.match(case_id)))
    known = dict.fromkeys([*filter(alike.match, places), *stored])
    gone = [k for k in known if k not in places or not Path(places[k]).exists()]
    gone.sort(key=lambda k: k != own)
    key = own if own in gone and own not in places else None
    key = key or next((k for k in gone if _holds(casebase, k, own, sample)), None)
    key = key or next(k for n in count() if (k := corpus_key(path, n)) not in known)
    casebase.set(_SETTING, json.dumps({**places, key: here}))
    return key


def _places(casebase: CaseDatabase) -> dict[str, str]:
    try:
        places = json.loads(casebase.settings.get(_SETTING, "{}"))
    except ValueError:
        return {}
    return places if isinstance(places, dict) else {}


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

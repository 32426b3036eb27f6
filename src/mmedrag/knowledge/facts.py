"""What each case of a casebase says, as codes: kept beside it, so that only new cases are read.

``knowledge.jsonl`` holds a line a case: a digest of what was read, the patient's digest, the
domain, the findings affirmed and ruled out, and the diagnoses. Neither reports nor ids nor names of
patients are in it. Its first line has the SHA-256 of the rest, so that a damaged file is made anew,
never believed. A case that has left the casebase leaves the file when it is next brought up to
date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from mmedrag.answers.differential import UNNAMED, diagnoses_of
from mmedrag.answers.statements import read_cases
from mmedrag.definitions.dictionary import Dictionary
from mmedrag.durability import write_durably
from mmedrag.knowledge.relations import canonical
from mmedrag.types import Assertion, Case, Evidence, Kind, Mention

FORMAT = 1
_BATCH = 256
_NOWHERE = np.zeros(0, np.float32)
_READ = frozenset({Kind.FINDING, Kind.DISEASE, Kind.SYMPTOM})


@dataclass(frozen=True, slots=True)
class Facts:
    """What one case says: codes, or the words of a diagnosis that no dictionary has."""

    digest: str
    patient: str
    domain: str
    affirmed: frozenset[str]
    negated: frozenset[str]
    diagnoses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """The facts of all cases, and how many were read anew."""

    facts: tuple[Facts, ...]
    read: int
    notice: str = ""


def read_facts(
    cases: Iterable[tuple[Case, Sequence[Mention] | None]],
    dictionary: Dictionary,
    stored: Mapping[str, Facts] | None = None,
) -> Iterator[tuple[Facts, bool]]:
    """The facts of cases, and whether each was read now.

    Args:
        cases: with the mentions of their reports where these are stored.
        dictionary: reads diagnoses, labels and reports without mentions.
        stored: facts by digest that need not be read again.
    """
    stored = stored or {}
    rest = iter(cases)
    while batch := list(islice(rest, _BATCH)):
        digests = [_digest(case, dictionary.fingerprint) for case, _ in batch]
        new = [i for i, digest in enumerate(digests) if digest not in stored]
        made = dict(zip(new, _read([batch[i] for i in new], dictionary), strict=True))
        for i, digest in enumerate(digests):
            if i in made:
                yield made[i], True
            else:
                yield stored[digest], False


def bring_up_to_date(
    file: Path,
    cases: Callable[[], Iterable[tuple[Case, Sequence[Mention] | None]]],
    dictionary: Dictionary,
) -> Update:
    """The facts of all cases, from the file as far as it has them; the file is written anew.

    Raises:
        OSError: the file cannot be written.
    """
    stored, notice = load(file)
    pairs = list(read_facts(cases(), dictionary, stored))
    facts = tuple(f for f, _ in pairs)
    read = sum(new for _, new in pairs)
    if read or len(facts) != len(stored):
        save(file, facts)
    return Update(facts, read, notice)


def save(file: Path, facts: Sequence[Facts]) -> None:
    """Write the facts whole or not at all."""
    lines = "".join(json.dumps(_line(f), ensure_ascii=False) + "\n" for f in facts)
    digest = hashlib.sha256(lines.encode()).hexdigest()
    head = json.dumps({"format": FORMAT, "sha256": digest, "cases": len(facts)})
    write_durably(file, f"{head}\n{lines}")


def load(file: Path) -> tuple[dict[str, Facts], str]:
    """The facts by digest, and a notice where the file is damaged (then there are none)."""
    if not file.exists():
        return {}, ""
    try:
        head, _, lines = file.read_text("utf-8").partition("\n")
        about = json.loads(head)
        sound = hashlib.sha256(lines.encode()).hexdigest() == about["sha256"]
        if about["format"] != FORMAT or not sound:
            raise ValueError(head)
        facts = [_facts(json.loads(line)) for line in lines.splitlines()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}, f"{file.name} was damaged or of another version; all cases were read again"
    return {f.digest: f for f in facts}, ""


def _read(
    batch: Sequence[tuple[Case, Sequence[Mention] | None]], dictionary: Dictionary
) -> list[Facts]:
    unread = [case.text for case, mentions in batch if mentions is None]
    recognised = iter(dictionary.recognise(unread) if unread else ())
    evidence = [
        Evidence(str(i), case, _NOWHERE, 0.0, 0.0,
                 tuple(next(recognised) if mentions is None else mentions))
        for i, (case, mentions) in enumerate(batch)
    ]  # fmt: skip
    concepts = dictionary.concepts
    made = []
    for reading in read_cases(evidence, dictionary):
        stated: dict[Assertion, set[str]] = {Assertion.AFFIRMED: set(), Assertion.NEGATED: set()}
        for code, statement in reading.stated.items():
            if statement.assertion in stated and statement.mention.kind in _READ:
                stated[statement.assertion].add(canonical(code, concepts))
        diagnoses = {
            code if code.startswith(UNNAMED) else canonical(code, concepts): words
            for code, words, weight in diagnoses_of(reading, concepts) if weight > 0.5
        }  # fmt: skip
        case = reading.case
        made.append(Facts(
            _digest(case, dictionary.fingerprint),
            _hash(case.patient_id or case.study_id or case.id), str(case.domain or ""),
            frozenset(stated[Assertion.AFFIRMED]), frozenset(stated[Assertion.NEGATED]), diagnoses,
        ))  # fmt: skip
    return made


def _digest(case: Case, fingerprint: str) -> str:
    fields = (case.id, case.text, case.diagnosis, case.labels, case.patient_id, str(case.domain))
    return _hash(json.dumps([*fields, fingerprint], ensure_ascii=False))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _line(facts: Facts) -> list[object]:
    return [facts.digest, facts.patient, facts.domain, sorted(facts.affirmed),
            sorted(facts.negated), dict(facts.diagnoses)]  # fmt: skip


def _facts(line: Sequence[object]) -> Facts:
    digest, patient, domain, affirmed, negated, diagnoses = line
    assert isinstance(affirmed, list)
    assert isinstance(negated, list)
    assert isinstance(diagnoses, dict)
    return Facts(str(digest), str(patient), str(domain), frozenset(affirmed), frozenset(negated),
                 diagnoses)  # fmt: skip

"""Shards to a casebase: their cases as rows that ``index`` adds without encoding."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from mmedrag.bulk.plan import Plan, read_plan
from mmedrag.bulk.shards import read_heading, read_shard, shards_in
from mmedrag.corpora import named
from mmedrag.errors import CorpusError, EncoderMismatch
from mmedrag.preparation import Row, case_of
from mmedrag.pseudonym_key import take_key
from mmedrag.stores import CaseDatabase


def finished_plan(folder: Path) -> Plan:
    """The plan of an encoding that is complete.

    Raises:
        CorpusError: it is not, or cannot be read.
    """
    plan = read_plan(folder)
    if plan.shards is None:
        raise CorpusError(
            f"The encoding in {folder} is not finished",
            "Run the same 'mmedrag encode' again: it goes on where it stopped.",
        )
    return plan


def encoded_rows(casebase: CaseDatabase, folder: Path) -> Iterator[Row]:
    """All rows of an encoding, in the order of its corpora, with the casebase's ids.

    An empty casebase takes over the encoding's key of DICOM pseudonyms.

    Raises:
        CorpusError: the encoding is not finished, or a shard is absent or damaged.
        EncoderMismatch: another encoder made it.
        CasebaseError: the casebase cannot be written.
    """
    plan = finished_plan(folder)
    if plan.fingerprint != casebase.fingerprint:
        raise EncoderMismatch(
            f"{folder} was encoded with {plan.fingerprint}, {casebase.name} with "
            f"{casebase.fingerprint}",
            "Encode with the preset and models of the casebase, or make another casebase.",
        )
    shards = shards_in(folder)
    numbers = range(plan.shards or 0)
    headings = [(i, read_heading(shards[i]) if i in shards else None) for i in numbers]
    if absent := [i for i, heading in headings if heading is None]:
        raise CorpusError(
            f"Shard {absent[0]} of {folder} is absent or cannot be read",
            "Run the same 'mmedrag encode' again: it is made anew.",
        )
    own_key = take_key(casebase, plan.salt())
    for source, group in groupby(headings, lambda item: item[1].source if item[1] else 0):
        files = [shards[number] for number, _ in group]
        rows = (row for file in files for row in read_shard(file))
        for row in named(casebase, plan.sources[source].path, rows):
            if not own_key and (case := case_of(row)) and "deidentified" in case.meta:
                own_key = True  # said once
                casebase.notices.append(
                    f"{folder} has another key of pseudonyms than {casebase.name}: a patient who "
                    "is in both has two; encoding with --pseudonym-key FILE takes the casebase's"
                )
            yield row

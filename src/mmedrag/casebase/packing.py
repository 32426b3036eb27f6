"""What a search gives out of a case, in one value beside its text, so that one look reads it.

The tables keep a case as filters ask for it: its fields in one, its findings in three others, each
with a checksum of its own. A search of fifty cases that no search has read would look into four
B-trees for each. So a case is also *packed* when it is written: fields and findings as one JSON
array. The tables stay the truth: what is not packed, or fails its seal, is read from them.
"""

from __future__ import annotations

import json
from zlib import crc32

from mmedrag.casebase.mentions import Recognition, mentions_of, stored_mention
from mmedrag.casebase.records import case_fields, case_from
from mmedrag.errors import CasebaseDamaged
from mmedrag.types import Case, Mention

_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_from_json = json.JSONDecoder().raw_decode


class Read:
    """A case as it was read, with what was recognised in its report, and by whom.

    Args:
        case: with its report.
        recogniser: empty where nobody has looked.
        found: mentions, ``None`` where nobody has looked, or the JSON of what is kept of them.
    """

    __slots__ = ("_found", "case", "recogniser")

    def __init__(
        self, case: Case, recogniser: str, found: str | tuple[Mention, ...] | None
    ) -> None:
        self.case, self.recogniser, self._found = case, recogniser, found

    @property
    def mentions(self) -> tuple[Mention, ...] | None:
        """Made when they are first asked for.

        Raises:
            CasebaseDamaged: their JSON says something else.
        """
        found = self._found
        if isinstance(found, str):
            try:
                found = self._found = mentions_of(self.case.text, _from_json(found)[0])
            except (ValueError, TypeError, LookupError) as fault:
                raise CasebaseDamaged(
                    f"What is packed of the findings of case {self.case.id!r} cannot be read",
                    "Pack it again: mmedrag rebuild.",
                ) from fault
        return found


def packed(case: Case, recognition: Recognition | None) -> bytes:
    """Fields and findings of a case, without its text."""
    fields = case_fields(case)
    if recognition is None:
        return _as_json([fields, "", None]).encode()
    mentions = sorted(map(stored_mention, recognition.mentions))
    return _as_json([fields, recognition.recogniser, mentions]).encode()


def unpacked(record: bytes, text: str) -> Read:
    """The case of that text, with its findings."""
    content = str(record, "utf-8")
    fields, end = _from_json(content, 1)
    recogniser, end = _from_json(content, end + 1)
    found = content[end + 1 : -1]
    return Read(case_from(fields, text), recogniser, None if found == "null" else found)


def seal(record: bytes, text: str, vector: bytes) -> int:
    """Changes when anything changes that a search gives out of a case."""
    return crc32(b"".join((record, text.encode("utf-8", "replace"), vector)))


def is_sealed(record: object, text: object, vector: bytes, stored: object) -> bool:
    """Whether a stored record is there and has this seal, with this text and vector."""
    if not isinstance(record, bytes) or not isinstance(text, str):
        return False
    return seal(record, text, vector) == stored

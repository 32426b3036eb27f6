"""What a mention depends on, in one line: the dictionaries and the rules by which texts are read.

Mentions are kept with cases. Whoever reads them compares fingerprints to know whether they are what
would be recognised today.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from importlib import import_module
from importlib.resources import files

from mmedrag.definitions.compiled import CompiledDictionary

_ROOMS = ("mmedrag.definitions", "mmedrag.text")
"""The packages whose code decides what is recognised in a text."""


def fingerprint_of(dictionaries: Sequence[CompiledDictionary]) -> str:
    """The dictionaries in their order, and the rules."""
    digest = blake2b(digest_size=8)
    for dictionary in dictionaries:
        digest.update(dictionary.fingerprint.encode() + b"\0")
    return f"{digest.hexdigest()} by rules {rules_digest()}"


@cache
def rules_digest() -> str:
    """Changes with any line of the rules: nobody has to remember to count a version up.

    Now and then it changes although no mention would; then mentions are derived again for nothing,
    which costs time, while mentions of older rules would be wrong.
    """
    digest = blake2b(digest_size=8)
    for room in _ROOMS:
        for source in sorted(_sources(room)):
            digest.update(source + b"\0")
    return digest.hexdigest()


def _sources(room: str) -> list[bytes]:
    try:
        import_module(room)
    except ModuleNotFoundError:
        return []
    return [file.read_bytes() for file in files(room).iterdir() if file.name.endswith(".py")]

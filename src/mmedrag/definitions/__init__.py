"""Section 3.4, stage 2: medical terms in a text, what is said of them, and their definitions."""

from mmedrag.definitions.compilation import Compilation, compile_dictionary
from mmedrag.definitions.concepts import Concepts
from mmedrag.definitions.dictionary import Dictionary, asked_for, glossary, open_dictionary
from mmedrag.definitions.sources import READERS, read_terms
from mmedrag.definitions.terms import Term

__all__ = [
    "READERS",
    "Compilation",
    "Concepts",
    "Dictionary",
    "Term",
    "asked_for",
    "compile_dictionary",
    "glossary",
    "open_dictionary",
    "read_terms",
]

"""The error tree. Every message says what happened and what to do.

::

    MMedRAGError
    ├── InputError           exit 2   something the user handed in
    │   ├── QueryError                a query without content, a bad option value
    │   ├── FilterError               a ``where`` expression that does not parse
    │   ├── ImageError                an image that is damaged, too large, or not an image
    │   └── CorpusError               a corpus that cannot be read
    │       ├── ArchiveError          a DICOMweb archive that cannot be reached, or refuses
    │       └── LeakError             a split whose held-out part is tied to its training part
    ├── CasebaseError        exit 3   the store
    │   ├── CasebaseNotFound          no casebase there
    │   ├── CasebaseLocked            another writer holds it
    │   ├── CasebaseDamaged           contents that fail their checks
    │   └── EncoderMismatch           made with another encoder
    ├── ModelError           exit 4   models and optional parts
    │   ├── MissingExtra              a library that is not installed
    │   ├── CheckpointError           weights that are damaged, absent or of the wrong shape
    │   └── UntrainedError            a learned part without weights
    └── GenerationError      exit 5   the answer's generator
        ├── BadKey                    no API key, or refused
        ├── UnknownModel              retired or misspelt model name
        ├── TooManyTokens             the request is longer than the model's window
        ├── RateLimited               limits reached, retries used up
        └── Unreachable               no connection, a time-out, a server error
"""

from __future__ import annotations


class MMedRAGError(Exception):
    """Base of all errors that a user can cause or cure.

    ``what`` happened, ``remedy`` says what to do; ``str()`` gives both in one line.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what.rstrip('.')}. {self.remedy}"


class InputError(MMedRAGError):
    """Something that the user handed in."""

    exit_code = 2


class QueryError(InputError):
    """A query without content, or an option with a bad value."""


class FilterError(InputError):
    """A ``where`` expression that does not parse."""


class ImageError(InputError):
    """An image that is damaged, too large, or of no known kind."""


class CorpusError(InputError):
    """A corpus that cannot be read."""


class ArchiveError(CorpusError):
    """A DICOMweb archive that cannot be reached, refuses, or answers in an unknown way."""


class LeakError(CorpusError):
    """A split whose held-out part is tied to its training part."""


class CasebaseError(MMedRAGError):
    """The store."""

    exit_code = 3


class CasebaseNotFound(CasebaseError):
    """No casebase at that path."""


class CasebaseLocked(CasebaseError):
    """Another process is writing to the casebase."""


class CasebaseDamaged(CasebaseError):
    """Contents that fail their checks and cannot be rebuilt."""


class EncoderMismatch(CasebaseError):
    """The casebase was made with another encoder."""


class ModelError(MMedRAGError):
    """Models and optional parts."""

    exit_code = 4


class MissingExtra(ModelError):
    """An optional library that is not installed."""


class CheckpointError(ModelError):
    """Weights that are damaged, absent or of the wrong shape."""


class UntrainedError(ModelError):
    """A learned part that was given no trained weights."""


class GenerationError(MMedRAGError):
    """The answer's generator."""

    exit_code = 5


class BadKey(GenerationError):
    """No API key, or one that the server refuses."""


class UnknownModel(GenerationError):
    """A model name that the server does not know (retired, or misspelt)."""


class TooManyTokens(GenerationError):
    """A request that is longer than the model's window."""


class RateLimited(GenerationError):
    """The server's limits are reached and the retries used up."""


class Unreachable(GenerationError):
    """No connection, a time-out, or a server error that outlasted the retries."""

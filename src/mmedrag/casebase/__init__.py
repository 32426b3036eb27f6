"""Section 3.4, stage 1: the store of cases and its index."""

from mmedrag.casebase.casebase import Casebase
from mmedrag.types import Entry

__all__ = ["Casebase", "Entry"]

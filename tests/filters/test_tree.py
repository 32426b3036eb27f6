"""What a filter says of one case in memory."""

from __future__ import annotations

import pytest

from mmedrag.errors import FilterError
from mmedrag.filters import parse
from mmedrag.types import Case


def test_what_reports_say_needs_their_mentions():
    with pytest.raises(FilterError, match=r"'affirms'.*casebase"):
        parse("affirms = 'drusen'").matches(Case(id="a"))

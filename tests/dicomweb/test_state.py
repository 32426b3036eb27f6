"""What pulls remember."""

from __future__ import annotations

from contextlib import closing

import pytest

from mmedrag.dicomweb.state import ATTEMPTS, NAME, State
from mmedrag.errors import CasebaseError


def test_studies_instances_and_positions_last(tmp_path):
    with closing(State(tmp_path)) as state:
        assert not state.is_done("s", "d")
        assert state.position("a") == (None, "")
        state.keep("s", "d", ["i", "j"])
        state.advance("a", 7, "20260101")
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    with closing(State(tmp_path)) as state:
        assert state.is_done("s", "d")
        assert not state.is_done("s", "grown")
        assert state.is_kept("j")
        assert not state.is_kept("k")
        assert state.position("a") == (7, "20260101")
        assert state.position("b") == (None, "")


def test_a_study_that_fails_is_given_up_after_some_attempts(tmp_path):
    with closing(State(tmp_path)) as state:
        for attempt in range(1, ATTEMPTS + 1):
            assert not state.is_done("s", "d")
            assert state.failures("s", "d") == attempt - 1
            state.keep("s", "d", [], attempt)
        assert state.is_done("s", "d")
        assert state.failures("s", "mended") == 0


def test_a_file_that_is_none(tmp_path):
    (tmp_path / NAME).write_bytes(b"no database at all, but long enough to look at" * 99)
    with pytest.raises(CasebaseError, match=NAME):
        State(tmp_path)

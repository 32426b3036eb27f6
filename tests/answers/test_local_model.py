"""A generator that is a folder of weights, with a tiny model that really writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')

from mmedrag.answers.local_model import LocalGenerator, accepted, opened
from mmedrag.answers.prompts import messages
from mmedrag.choices import generator as chosen
from mmedrag.errors import CheckpointError, GenerationError, QueryError, TooManyTokens
from mmedrag.testing.generator import ASKED, CLEAR, EFFUSION, MEANING, GeneratorContract, case
from tiny_language_model import NO_SYSTEM, write_tiny_model

EVIDENCE = [EFFUSION, CLEAR, MEANING]
TEXTS = [m["content"] for m in messages(ASKED, EVIDENCE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", TEXTS)


class TestContract(GeneratorContract):
    @pytest.fixture(autouse=True)
    def _folder(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> LocalGenerator:
        return LocalGenerator(folder=self.folder, max_tokens=12)


def test_it_writes_in_pieces_and_the_same_each_time(folder: Path) -> None:
    writer = opened(folder)
    asked = messages(ASKED, EVIDENCE)
    first, second = (list(writer.write(asked, max_tokens=24)) for _ in range(2))
    assert first == second
    assert len(first) > 1
    # transformers' own generation, whole, says the same
    ids = writer.prompt(asked)
    whole = writer.model.generate(ids, max_new_tokens=24, do_sample=False)
    written = writer.tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)
    assert "".join(first) == written


def test_a_reader_who_leaves_ends_the_writing(folder: Path) -> None:
    writer = opened(folder)
    pieces = writer.write(messages(ASKED, EVIDENCE), max_tokens=3000)
    next(pieces)
    pieces.close()
    assert not writer.lock.locked()
    assert list(writer.write(messages(ASKED, EVIDENCE), max_tokens=2))


def test_rules_stand_in_the_question_where_there_is_no_system_role(tmp_path: Path) -> None:
    writer = opened(write_tiny_model(tmp_path / "m", TEXTS, template=NO_SYSTEM))
    system, user = messages(ASKED, EVIDENCE)
    (only,) = accepted(writer.tokenizer, [system, user])
    assert only["role"] == "user"
    assert only["content"] == f"{system['content']}\n\n{user['content']}"
    assert list(writer.write([system, user], max_tokens=4))


def test_what_cannot_be_done_is_said(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        LocalGenerator(folder=tmp_path)
    with pytest.raises(QueryError, match="needs the folder"):
        chosen("local")
    with pytest.raises(QueryError, match="has no setting base_url"):
        chosen("local", llm=str(folder), base_url="http://x")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        list(LocalGenerator(folder=tmp_path / "broken").generate(ASKED, EVIDENCE))
    bare = write_tiny_model(tmp_path / "bare", TEXTS, template=None)
    with pytest.raises(GenerationError, match="no chat template"):
        list(LocalGenerator(folder=bare).generate(ASKED, EVIDENCE))
    small = write_tiny_model(tmp_path / "small", TEXTS, window=64)
    with pytest.raises(TooManyTokens, match="the model reads 64"):
        list(LocalGenerator(folder=small).generate(ASKED, EVIDENCE))


def test_a_failure_in_the_model_reaches_the_reader(folder: Path, monkeypatch) -> None:
    writer = opened(folder)

    def fails(*args: object, **settings: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(writer.model, "generate", fails)
    with pytest.raises(GenerationError, match="out of memory"):
        list(writer.write(messages(ASKED, EVIDENCE), max_tokens=2))
    assert not writer.lock.locked()


def test_the_budget_leaves_the_last_evidence_out(folder: Path) -> None:
    many = [case(f"C{i}", "Nodule of 3 mm in the right lung. " * 20) for i in range(1, 9)]
    tight = LocalGenerator(folder=folder, context_tokens=1500, max_tokens=4)
    assert all(isinstance(piece, str) for piece in tight.generate(ASKED, many))


def test_choosing_one_loads_nothing(folder: Path) -> None:
    script = (
        "import sys\nfrom mmedrag.choices import generator\n"
        f"generator('local', llm={str(folder)!r})\n"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

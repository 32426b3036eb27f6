"""Questions on the command line: as an argument, as options, and many at once."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from mmedrag.cli import main, parser


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([str(a) for a in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize(
    "words",
    [
        ["ask", "x", "drusen"], ["ask", "x", "--json", "drusen"], ["ask", "--json", "x", "drusen"],
        ["ask", "x", "-k", "3", "drusen", "--json"],
        ["search", "x", "--domain", "radiology", "drusen"],
    ],
)  # fmt: skip
def test_options_may_stand_anywhere(words: list[str]) -> None:
    options = parser().parse_args(words)
    assert (options.casebase, options.question) == (Path("x"), "drusen")


def test_a_question_is_an_argument_or_an_option(small_casebase: Path, capsys) -> None:
    _, by_argument, _ = run(capsys, "search", small_casebase, "pleural effusion", "--json")
    _, by_option, _ = run(capsys, "search", small_casebase, "--text", "pleural effusion", "--json")
    one, other = json.loads(by_argument), json.loads(by_option)
    assert one["query"] == other["query"]
    assert one["kept"] == other["kept"]
    code, _, err = run(capsys, "search", small_casebase, "a", "--text", "b")
    assert (code, "given twice" in err) == (2, True)


def test_every_line_gets_its_object(small_casebase: Path, phantoms, tmp_path, capsys) -> None:
    image = phantoms[0].image
    lines = [
        json.dumps({"id": "q1", "text": "pleural effusion", "domain": "radiology"}),
        "",
        "not json",
        json.dumps("drusen at the macula"),
        json.dumps({"id": 7, "image": str(image)}),
        json.dumps({"text": "x", "where": "nonsense ="}),
        json.dumps({"image": "absent.png"}),
        json.dumps({"text": "x", "domain": "astrology"}),
        json.dumps({"text": "x", "colour": "red"}),
        json.dumps([1]),
        json.dumps({"text": 3}),
        "{}",
    ]
    file = tmp_path / "questions.jsonl"
    file.write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    code, out, _ = run(capsys, "ask", small_casebase, "--questions", file, "--json")
    assert code == 2  # that of the first line that failed
    objects = [json.loads(line) for line in out.splitlines()]
    assert [o["line"] for o in objects] == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert [o["line"] for o in objects if "answer" in o] == [1, 4, 5]
    assert [o["id"] for o in objects if o["id"] is not None] == ["q1", 7]
    kinds = {o["line"]: o["error"]["kind"] for o in objects if "error" in o}
    assert (kinds[3], kinds[6], kinds[7]) == ("QueryError", "FilterError", "ImageError")
    assert all(o["error"]["remedy"] for o in objects if "error" in o)


def test_questions_come_from_standard_input(small_casebase: Path, capsys, monkeypatch) -> None:
    given = io.TextIOWrapper(io.BytesIO(b'"effusion"\n"drusen"\n'))
    monkeypatch.setattr(sys, "stdin", given)
    code, out, _ = run(capsys, "ask", small_casebase, "--questions", "-")
    assert code == 0
    assert len([json.loads(line)["answer"] for line in out.splitlines()]) == 2


@pytest.mark.parametrize("extra", [["a question"], ["--image", "x.png"], ["--stream"]])
def test_many_questions_are_not_mixed_with_one(small_casebase: Path, capsys, extra) -> None:
    code, _, err = run(capsys, "ask", small_casebase, "--questions", "-", *extra)
    assert code == 2
    assert "--questions" in err


def test_a_file_of_questions_that_is_not_there_is_named(small_casebase: Path, capsys) -> None:
    code, _, err = run(capsys, "ask", small_casebase, "--questions", "absent.jsonl")
    assert (code, "absent.jsonl" in err) == (2, True)

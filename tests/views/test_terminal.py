"""What others wrote cannot steer the terminal, whichever way it gets there."""

from __future__ import annotations

import io
import json
import logging
import re
import time
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from injections import INJECTIONS
from mmedrag.citations import attribute, resolve
from mmedrag.cli import main, parser
from mmedrag.commands.options import json_document
from mmedrag.errors import QueryError
from mmedrag.indexing import IndexReport
from mmedrag.testing.generator import ASKED, CLEAR, EFFUSION, MEANING, context_of
from mmedrag.types import Evidence, Problem
from mmedrag.views.console import answer_text, context_text, report_text, table
from mmedrag.views.terminal import (
    ProgressLines,
    TerminalLog,
    counter,
    expect,
    notify,
    one_line,
    printable,
    show,
    stream,
)
from mmedrag.views.trace import answer_json
from patience import PATIENCE

ATTACKS = (
    "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;https://x.example\x1b\\here", "\x9b31m",
    "a\rb", "a\x08\x08b", "\x1b[8m", "\u202egnp.exe", "\u2066x\u2069", "x\u200by", "\x00",
    "\udcff\udc80", "\U000e0041\U000e0042", "\ufeff", "\u2028new", "line\nmmedrag: all is well",
    "\x1bP1000p\x1b\\", "\x1b[6n", "\x7f", "\x85",
)  # fmt: skip
EVERYTHING = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF, categories=None))
SHOWN_CONTROLS = {"\n", "\t"}


def is_safe(text: str) -> bool:
    text.encode("utf-8")
    bad = {"Cc", "Cs", "Zl", "Zp"}
    return not any(
        (unicodedata.category(c) in bad and c not in SHOWN_CONTROLS)
        or unicodedata.bidirectional(c) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI"}
        for c in text
    )


@given(EVERYTHING)
def test_printable_text_steers_nothing(text: str) -> None:
    assert is_safe(printable(text))
    assert printable(printable(text)) == printable(text)
    assert "\n" not in one_line(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_ordinary_text_in_any_script_is_unchanged(text: str) -> None:
    assert printable(text) == text


@given(st.dictionaries(EVERYTHING, EVERYTHING))
def test_json_is_safe_and_says_the_same(value: dict[str, str]) -> None:
    document = json_document(value)
    assert is_safe(document)
    assert json.loads(document) == value


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_way_to_the_terminal_is_open(attack: str, capsys) -> None:
    show(attack)
    notify(attack)
    stream(attack)
    TerminalLog().emit(logging.LogRecord("mmedrag", 30, "", 1, "%s", (attack,), None))
    printed = capsys.readouterr()
    assert is_safe(printed.out + printed.err)
    notices = [line for line in printed.err.splitlines() if "mmedrag:" in line]
    assert len(notices) <= 4


@pytest.mark.parametrize("attack", ATTACKS)
def test_errors_and_arguments_are_printed_safely(attack: str, capsys, monkeypatch) -> None:
    def fail(options: object) -> int:
        raise QueryError(f"{attack} is bad", f"Do not write {attack}.")

    options = parser().parse_args(["datasets"])
    options.run = fail
    monkeypatch.setattr("argparse.ArgumentParser.parse_args", lambda *_: options)
    assert main([]) == 2
    monkeypatch.undo()
    with pytest.raises(SystemExit):
        main(["search", "x.casebase", "q", f"--{attack}"])
    assert is_safe(capsys.readouterr().err)


def poisoned(text: str) -> list[Evidence]:
    item = replace(EFFUSION.item, id=text, text=text, source=text, licence=text)
    term = replace(MEANING.item, term=text, text=text, source=text)
    return [replace(EFFUSION, item=item, mentions=()), CLEAR, replace(MEANING, item=term)]


@pytest.mark.proof("injections")
@pytest.mark.parametrize("text", [*ATTACKS, *INJECTIONS])
def test_traces_of_hostile_evidence_are_printed_safely(text: str, capsys) -> None:
    evidence = poisoned(text)
    answer = attribute(
        list(resolve([f"{text} [C1] and [D1]."], evidence)), context_of(ASKED, evidence), {}
    )
    for whole in (answer_text(answer), context_text(answer.context)):
        show(whole)
    show(json_document(answer_json(answer)))
    assert is_safe(capsys.readouterr().out)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_line_of_a_table_or_report_is_somebody_elses(attack: str) -> None:
    assert len(printable(table(("a", "b"), [(attack, attack)])).split("\n")) == 3
    problem = Problem(__file__, 1, attack)
    report = printable(report_text(IndexReport(problems=(problem,)), 1.0))
    assert len(report.split("\n")) == 3


def test_progress_that_is_piped_comes_in_plain_lines(capsys, monkeypatch) -> None:
    times = iter([0.0, 10.0, 40.0, 50.0, 90.0])
    monkeypatch.setattr("mmedrag.views.terminal.monotonic", lambda: next(times))
    lines = ProgressLines("case", "index")
    for finished in (100, 300):
        lines.update(finished)
    lines.total = 1_000
    for finished in (50, 50):
        lines.update(finished)
    assert capsys.readouterr().err.splitlines() == [
        "mmedrag: index: 400 cases, 10.0 a second",
        "mmedrag: index: 500 of about 1,000 cases (50 %), 2.0 a second, 0:04:10 left",
    ]


def test_a_counter_is_told_its_total_while_it_counts(capsys) -> None:
    with counter("case", "index") as bar:
        expect(bar, lambda: 12)
        deadline = time.monotonic() + PATIENCE
        while bar.total is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert bar.total == 12
        bar.update(5)
    assert capsys.readouterr().err == ""  # of short work


def test_a_terminal_shows_total_rate_and_time_left(monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    with counter("case", "index") as bar:
        bar.total = 200
        bar.update(50)
        bar.refresh()
    assert re.search(r"index:\s+25%.*50/200 \[\d+:\d+<\d+:\d+, .*case/s\]", shown.getvalue())

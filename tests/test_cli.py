"""The commands as a user types them: what they print, and their exit codes."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest

import mmedrag
from mmedrag.casebase.casebase import Casebase
from mmedrag.cli import main
from mmedrag.datasets.records import write_records
from mmedrag.types import Case
from mmedrag.views.section import Section


@pytest.fixture(scope="module")
def corpus(phantoms: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    write_records(phantoms[:24], folder / "corpus" / "records.jsonl")
    return folder / "corpus" / "records.jsonl"


@pytest.fixture(scope="module")
def casebase(corpus: Path) -> Path:
    into = corpus.parent.parent / "my.casebase"
    assert main(["index", str(corpus), "--into", str(into)]) == 0
    return into


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(a) for a in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_index_again_changes_nothing(corpus: Path, casebase: Path, capsys) -> None:
    code, out, _ = run(capsys, "index", corpus, "--into", casebase)
    assert code == 0
    assert "0 cases written, 24 unchanged, 0 encoded" in out


def test_index_into_another_preset_is_refused(corpus: Path, casebase: Path, capsys) -> None:
    code, _, err = run(capsys, "index", corpus, "--into", casebase, "--preset", "paper")
    assert code == 2
    assert "made with the preset offline" in err


def test_search_as_json_has_the_documented_fields(casebase: Path, phantoms, capsys) -> None:
    code, out, _ = run(
        capsys, "search", casebase, "--text", "effusion, no fracture",
        "--image", phantoms[0].image, "-k", 3, "--json",
    )  # fmt: skip
    assert code == 0
    told = json.loads(out)
    assert set(told) == {
        "schema", "query", "domain", "question", "mentions", "ruled_out", "corrections", "criteria",
        "synonyms", "gathered", "ranked", "kept", "answer", "timings_ms",
    }  # fmt: skip
    assert told["answer"] is None
    assert told["ruled_out"] == ["fracture"]
    assert set(told["domain"]) == {"scores", "decision", "abstained", "medical", "reason"}
    case = next(e for e in told["kept"] if e["key"].startswith("C"))
    for field in ("id", "text", "similarity", "centrality", "reward", "source", "licence"):
        assert case[field] is not None
    definition = next(e for e in told["ranked"] if e["key"].startswith("D"))
    assert {"term", "concept", "text", "source", "licence"} <= set(definition)
    assert sum(e["kind"] == "case" for e in told["kept"]) <= 3
    assert all(ms >= 0 for ms in told["timings_ms"].values())


def test_ask_prints_an_answer_with_its_sources(casebase: Path, phantoms, capsys, tmp_path) -> None:
    page = tmp_path / "trace.html"
    code, out, err = run(capsys, "ask", casebase, "--image", phantoms[0].image, "--page", page)
    assert code == 0
    assert "Answer" in out
    assert "[C1]" in out
    assert "Not a medical device" in out
    assert str(page) in err
    assert "data:image/jpeg;base64" in page.read_text("utf-8")


def test_ask_as_json_cites_kept_keys(casebase: Path, capsys) -> None:
    _, out, _ = run(capsys, "ask", casebase, "--text", "pneumothorax", "--json")
    told = json.loads(out)
    assert set(told["answer"]) >= {"text", "cited", "removed", "abstained", "disclaimer"}
    assert set(told["answer"]["cited"]) <= {e["key"] for e in told["kept"]}


def test_where_and_domain(casebase: Path, capsys) -> None:
    _, out, _ = run(
        capsys, "search", casebase, "--text", "finding", "--domain", "pathology",
        "--where", "split = 'train'", "--json",
    )  # fmt: skip
    cases = [e for e in json.loads(out)["gathered"] if e["kind"] == "case"]
    assert cases
    assert {e["domain"] for e in cases} == {"pathology"}
    _, out, _ = run(capsys, "search", casebase, "--text", "finding", "--domain", "all", "--json")
    told = json.loads(out)
    assert told["query"]["domain"] == "all"
    assert told["domain"]["decision"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("search", "CASEBASE"), 2, "neither text nor image"),
        (("search", "CASEBASE", "--text", "x", "--where", "nonsense ="), 2, "nonsense"),
        (("search", "CASEBASE", "--image", "absent.png"), 2, "absent.png"),
        (("search", "CASEBASE", "--text", "x", "-k", "0"), 2, "number of cases is 0"),
        (("search", "nowhere.casebase", "--text", "x"), 3, "No casebase"),
        (("index", "absent.jsonl", "--into", "new.casebase"), 2, "absent.jsonl"),
        (("index", "absent.jsonl", "--into", "new2.casebase", "--preset", "none"), 2, "no preset"),
        (("update", "CASEBASE", "--id", "unknown", "--text", "x"), 2, "no case"),
        (("ask", "CASEBASE", "--text", "x", "--generator", "openai"), 2, "--base-url"),
    ],
)  # fmt: skip
def test_errors_are_one_line_with_a_code(
    casebase: Path, capsys, tmp_path, monkeypatch, arguments, code, words
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(casebase) if a == "CASEBASE" else a for a in arguments]
    found, _, err = run(capsys, *given)
    lines = [line for line in err.splitlines() if line.startswith("mmedrag:")]
    assert found == code
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in err


def test_a_missing_groq_key_is_said(casebase: Path, capsys, monkeypatch) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    code, _, err = run(capsys, "ask", casebase, "--text", "drusen", "--generator", "groq")
    assert code == 5
    assert "GROQ_API_KEY" in err


def test_add_update_delete_one_case(corpus: Path, phantoms, capsys, tmp_path) -> None:
    mine = tmp_path / "mine.casebase"
    assert run(capsys, "index", corpus, "--into", mine)[0] == 0
    code, out, _ = run(
        capsys, "add", mine, "--id", "new", "--text", "Zebra stripes in the left lung.",
        "--domain", "radiology", "--image", phantoms[30].image,
    )  # fmt: skip
    assert (code, "1 cases written" in out) == (0, True)
    _, out, _ = run(
        capsys, "search", mine, "--text", "zebra stripes", "--domain", "radiology", "--json"
    )
    assert json.loads(out)["gathered"][0]["id"] == "new"
    assert run(capsys, "update", mine, "--id", "new", "--text", "Nothing unusual.")[0] == 0
    with Casebase.open(mine, readonly=True) as opened:
        case = opened.get("new")
        assert case is not None
        assert (case.text, case.domain, case.image) == (
            "Nothing unusual.", "radiology", phantoms[30].image,
        )  # fmt: skip
    assert run(capsys, "delete", mine, "new")[1].startswith("1 cases deleted")
    code, _, err = run(capsys, "delete", mine, "new")
    assert (code, "not in the casebase: new" in err) == (2, True)
    _, out, _ = run(
        capsys, "search", mine, "--text", "zebra stripes", "--domain", "radiology", "--json"
    )
    assert "new" not in [e.get("id") for e in json.loads(out)["gathered"]]


def test_keeping_a_casebase(casebase: Path, capsys, tmp_path) -> None:
    code, out, _ = run(capsys, "info", casebase, "--json")
    assert (code, json.loads(out)["cases"]) == (0, 24)
    assert run(capsys, "verify", casebase)[:2] == (
        0, "sound: every file, digest and record was checked\n",
    )  # fmt: skip
    assert run(capsys, "rebuild", casebase)[0] == 0
    assert "24 cases exported" in run(capsys, "export", casebase, "--into", tmp_path / "out")[1]
    again = tmp_path / "again.casebase"  # an export reads back: its images are the previews
    assert "24 cases written" in run(capsys, "index", tmp_path / "out", "--into", again)[1]


def test_verify_names_what_is_damaged(corpus: Path, capsys, tmp_path) -> None:
    mine = tmp_path / "mine.casebase"
    run(capsys, "index", corpus, "--into", mine)
    damaged = next(mine.glob("generations/*/vectors"))
    damaged.write_bytes(damaged.read_bytes()[:-7] + b"damaged")
    code, out, _ = run(capsys, "verify", mine)
    assert code == 3
    assert "vectors" in out
    _, out, err = run(capsys, "search", mine, "--text", "effusion", "--json")
    assert json.loads(out)["gathered"]
    assert "mmedrag:" in err  # the notice


def test_another_encoder_is_refused(corpus: Path, capsys, tmp_path) -> None:
    import sqlite3

    mine = tmp_path / "mine.casebase"
    run(capsys, "index", corpus, "--into", mine)
    with sqlite3.connect(mine / "casebase.db") as database:
        database.execute("UPDATE settings SET value = 'other' WHERE key = 'fingerprint'")
    database.close()
    (mine / "seal.json").unlink()  # else the database counts as changed behind its back
    code, _, err = run(capsys, "search", mine, "--text", "x")
    assert code == 3
    assert "not those that made" in err


def test_python_runs_the_package(capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["mmedrag", "--version"])
    with pytest.raises(SystemExit) as done:
        runpy.run_module("mmedrag", run_name="__main__")
    assert done.value.code == 0
    assert mmedrag.__version__ in capsys.readouterr().out


def test_define(capsys) -> None:
    code, out, _ = run(capsys, "define", "right lower lobe consolidation, no effusion")
    assert code == 0
    assert "affirmed" in out
    assert "negated" in out
    told = json.loads(run(capsys, "define", "no effusion", "--json")[1])
    assert [d["term"] for d in told["definitions"]] == ["effusion"]
    assert told["mentions"][0]["assertion"] == "negated"


def test_dictionary_compiles_and_is_used(capsys, tmp_path) -> None:
    source = tmp_path / "own.csv"
    source.write_text("id,term,definition\nX:1,zebra sign,Stripes as of a zebra.\n", "utf-8")
    compiled = tmp_path / "own.dict"
    assert "1 terms" in run(capsys, "dictionary", source, "--into", compiled)[1]
    out = run(capsys, "define", "a zebra sign", "--dictionary", compiled)[1]
    assert "Stripes as of a zebra." in out


def test_datasets_and_presets(capsys) -> None:
    out = run(capsys, "datasets")[1]
    for name in ("records", "iu_xray", "pmc_oa", "roco", "medpix", "table", "dicom", "folder"):
        assert name in out
    out = run(capsys, "presets")[1]
    for name in ("offline", "paper", "pubmedclip", "plip", "medsiglip"):
        assert f"{name}\n" in out


def test_a_study_prints_and_writes_its_report(corpus: Path, capsys, tmp_path) -> None:
    into = tmp_path / "report"
    code, out, err = run(
        capsys, "eval", "retrieval", "--data", corpus, "--group-by", "text", "--report", into
    )
    assert code == 0
    assert out.startswith("Retrieval on corpus")
    assert f"wrote {into / 'report.html'}" in err
    (told,) = json.loads((into / "results.json").read_text("utf-8"))["studies"]
    assert told["data"]["directions"]["image_to_image"]["n"] == 24
    assert told["command"] == f"mmedrag eval retrieval --data {corpus} --group-by text"
    assert "image → text" in (into / "report.html").read_text("utf-8")


def test_the_whole_paper_goes_on_past_what_is_missing(corpus: Path, capsys, tmp_path) -> None:
    roles, into = tmp_path / "roles.toml", tmp_path / "report"
    retrieval = "[[retrieval]]\nname = '{}'\nrecords = ['{}']\ngroup_by = 'text'\n"
    roles.write_text(retrieval.format("absent", "a.jsonl") + retrieval.format("here", corpus))
    code, out, err = run(
        capsys, "eval", "paper", "--data", roles, "--report", into,
        "--only", "retrieval-absent", "retrieval-here", "definitions", "--json",
    )  # fmt: skip
    assert code == 0
    told = json.loads(out)
    assert list(told) == ["retrieval-absent", "retrieval-here", "definitions"]
    assert "a.jsonl" in told["retrieval-absent"]["missing"]
    assert told["retrieval-here"]["records"] == 24
    assert "3 of 3: definitions\nmmedrag: done in " in err
    page = (into / "results.md").read_text("utf-8")
    assert "Not measured." in page
    assert f"$ mmedrag eval paper --data {roles} --only retrieval-here" in page


def test_a_study_that_is_killed_leaves_what_was_measured_before(
    capsys, tmp_path, monkeypatch
) -> None:
    from mmedrag.paper import report as paper
    from mmedrag.paper import roles

    def is_there(_: object) -> None:
        assert "The first" in (tmp_path / "r" / "results.md").read_text("utf-8")
        raise MemoryError

    def measure(_: object) -> Section:
        return Section(name="x", title="The first", protocol="a test", verdict="It stands.")

    studies = [paper.Study("first", "rerank", measure), paper.Study("killed", "rerank", is_there)]
    monkeypatch.setattr(roles, "PHANTOMS", 12)
    monkeypatch.setattr(paper, "STUDIES", tuple(studies))
    monkeypatch.chdir(tmp_path)
    told = ("eval", "paper", "--report", tmp_path / "r", "--only", "first", "killed")
    assert "Failed. MemoryError" in run(capsys, *told)[1]


def test_a_study_that_fails_gives_a_report_and_an_exit_code(capsys, tmp_path, monkeypatch) -> None:
    from mmedrag.paper import report as paper
    from mmedrag.paper import roles

    def measure(_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(roles, "PHANTOMS", 12)
    monkeypatch.setattr(paper, "STUDIES", (paper.Study("broken", "rerank", measure),))
    monkeypatch.chdir(tmp_path)  # synthetic records are drawn into the report's folder
    code, out, err = run(capsys, "eval", "paper", "--report", tmp_path / "r", "--only", "broken")
    assert code == 1
    assert "Failed. ZeroDivisionError: by zero" in out
    assert "1 of 1: broken\nmmedrag: failed in " in err
    assert (tmp_path / "r" / "report.html").exists()
    assert run(capsys, "eval", "paper", "--only", "nonsense")[0] == 2


def test_warnings_of_pillow_are_not_shown(tmp_path, capsys):
    import struct

    from PIL import Image

    file = tmp_path / "corpus" / "a.tif"
    file.parent.mkdir()
    Image.new("L", (64, 64), 100).save(file)
    content = bytearray(file.read_bytes())
    at = content.index(struct.pack("<HH", 278, 4))  # rows of a strip: now longer than the file
    content[at + 4 : at + 8] = struct.pack("<I", 10_000_000)
    file.write_bytes(content)
    main(["index", str(file.parent), "--into", str(tmp_path / "c")])
    assert "Warning" not in capsys.readouterr().err


def test_neighbours_are_kept_and_searched_where_that_is_asked_for(casebase, tmp_path, capsys):
    mine = shutil.copytree(casebase, tmp_path / "mine.casebase")
    asked = ["search", mine, "pleural effusion", "--json", "-k", 3]
    code, _, error = run(capsys, *asked, "--expansion", "neighbours")
    assert code == 2
    assert "mmedrag rebuild CASEBASE --neighbours" in error
    assert run(capsys, *asked, "--expansion", "far")[0] == 2
    assert run(capsys, "rebuild", mine, "--neighbours")[0] == 0
    code, printed, _ = run(capsys, *asked, "--expansion", "neighbours")
    assert code == 0
    walked, direct = json.loads(printed), json.loads(run(capsys, *asked)[1])
    assert {e["id"] for e in walked["gathered"] if e["kind"] == "case"} == {
        e["id"] for e in direct["gathered"] if e["kind"] == "case"
    }  # it holds fewer cases than a search finds
    assert [e["relevance"] for e in walked["gathered"]] != [
        e["relevance"] for e in direct["gathered"]
    ]
    assert all(e["proximity"] is None for e in direct["gathered"])
    assert run(capsys, "verify", mine)[0] == 0
    assert run(capsys, "rebuild", mine, "--no-neighbours")[0] == 0
    assert run(capsys, *asked, "--expansion", "neighbours")[0] == 2

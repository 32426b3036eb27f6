"""The MCP server through the SDK's own client: in memory, over stdio, over HTTP."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from PIL import Image

from mmedrag.assembly import assemble, create, dictionary
from mmedrag.cli import main
from mmedrag.errors import QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import Stages
from mmedrag.types import Case
from patience import PATIENCE

pytest.importorskip("mcp", reason='pip install "mmedrag[mcp]"')

from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from mmedrag.integrations.mcp import server

COMMAND = ["-c", "import sys; from mmedrag.cli import main; sys.exit(main())", "mcp"]
"""The command line, whatever environment the tests run in."""


def converse(target: Any, talk: Callable[[Client], Awaitable[Any]]) -> Any:
    """What a conversation with a server gives."""

    async def connected() -> Any:
        async with Client(target, read_timeout_seconds=PATIENCE) as client:
            return await talk(client)

    return anyio.run(connected)


def call(target: Any, tool: str, **arguments: Any) -> Any:
    return converse(target, lambda client: client.call_tool(tool, arguments))


def failure(result: Any) -> str:
    assert result.is_error
    return result.content[0].text


def with_image(phantoms: list[Case]) -> Case:
    return next(case for case in phantoms if case.image is not None)


def test_tools_resources_and_prompt_are_listed(rag: MMedRAG) -> None:
    async def talk(client: Client) -> tuple[Any, ...]:
        return (
            (await client.list_tools()).tools,
            (await client.list_resources()).resources,
            (await client.list_resource_templates()).resource_templates,
            (await client.list_prompts()).prompts,
            client.instructions,
        )

    tools, resources, templates, prompts, instructions = converse(server(rag), talk)
    assert [tool.name for tool in tools] == ["search", "ask", "define", "case"]
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
    assert [str(r.uri) for r in resources] == ["mmedrag://info"]
    assert len(templates) == 2
    assert [prompt.name for prompt in prompts] == ["compare_with_cases"]
    assert "Not a medical device" in instructions


def test_search_gives_what_the_library_gives(rag: MMedRAG) -> None:
    result = call(server(rag), "search", text="pleural effusion", k=3).structured_content
    cases = [e for e in result["evidence"] if e["kind"] == "case"]
    context = rag.retrieve("pleural effusion")
    assert [c["id"] for c in cases] == [e.name for e in context.ranked if e.key[0] == "C"][:3]
    assert result["domain"]["decision"] == context.question.routing.decision
    assert all(c["licence"] and c["similarity"] and c["text"] for c in cases)
    assert any("pleural effusion" in c["assertions"].get("affirmed", ()) for c in cases)
    assert "image" not in cases[0]


def test_an_image_is_asked_about_in_base64_or_as_a_file(rag: MMedRAG, phantoms: list[Case]) -> None:
    case = with_image(phantoms)
    made = server(rag, case.image.parent)
    encoded = base64.b64encode(case.image.read_bytes()).decode()
    answers = [
        call(made, "ask", question="What does it show?", k=4, **image).structured_content
        for image in (
            {"image": encoded}, {"image": f"data:image/png;base64,{encoded}"},
            {"image_file": case.image.name},
        )
    ]  # fmt: skip
    assert answers[0] == answers[1] == answers[2]
    keys = {e["key"] for e in answers[0]["evidence"]}
    marks = set(re.findall(r"\[([CD]\d+)\]", answers[0]["answer"]["text"]))
    assert marks
    assert marks <= keys
    assert answers[0]["answer"]["disclaimer"]


def test_define_says_what_is_affirmed_and_ruled_out(rag: MMedRAG) -> None:
    result = call(server(rag), "define", text="cardiomegaly, no pneumothorax").structured_content
    assert result["assertions"]["negated"] == ["pneumothorax"]
    assert [d["term"] for d in result["definitions"]] == ["cardiomegaly", "pneumothorax"]
    assert all(d["text"] and d["licence"] for d in result["definitions"])


def test_a_case_comes_with_its_preview(rag: MMedRAG, phantoms: list[Case]) -> None:
    case = with_image(phantoms)
    record, preview = call(server(rag), "case", case_id=case.id).content
    assert json.loads(record.text)["text"] == case.text
    assert str(case.image) not in record.text
    assert preview.mime_type == "image/jpeg"
    assert Image.open(io.BytesIO(base64.b64decode(preview.data))).format == "JPEG"


def test_resources_are_read(rag: MMedRAG, phantoms: list[Case]) -> None:
    case = with_image(phantoms)
    address = call(server(rag), "search", text=case.text, k=1).structured_content
    shown = address["evidence"][0]

    async def talk(client: Client) -> list[Any]:
        uris = ("mmedrag://info", shown["preview"].removesuffix("/preview"), shown["preview"])
        return [(await client.read_resource(uri)).contents[0] for uri in uris]

    info, record, preview = converse(server(rag), talk)
    assert json.loads(info.text)["cases"] == len(phantoms)
    assert "/" not in info.text.replace(json.loads(info.text)["fingerprint"], "")
    assert json.loads(record.text)["id"] == shown["id"]
    assert base64.b64decode(preview.blob) == rag.preview(shown["id"])


def test_the_prompt_holds_the_question(rag: MMedRAG) -> None:
    prompt = converse(
        server(rag), lambda c: c.get_prompt("compare_with_cases", {"question": "Drusen?"})
    )
    assert prompt.messages[0].content.text.startswith("Drusen?")


@pytest.mark.parametrize(
    ("tool", "arguments", "remedy"),
    [
        ("search", {"text": "mass", "filter": "modality = 'ct'"}, "'filter'. Choose .*where"),
        ("ask", {"text": "Is there a mass?"}, "no argument 'text'. Choose from question"),
        ("ask", {}, "Give a text, an image, or both"),
        ("search", {"text": "x", "domain": "astrology"}, "radiology"),
        ("search", {"text": "x", "where": "nonsense ="}, "Known fields: id, domain"),
        ("search", {"text": "x", "k": 0}, "Give one from 1 to 1000"),
        ("search", {"text": "x", "k": "many"}, "^search: k: Input should be a valid integer"),
        ("case", {}, "^case: case_id: Field required"),
        ("search", {"image": "%%%"}, "Encode the bytes"),
        ("search", {"image": base64.b64encode(b"no image").decode()}, "PNG"),
        ("search", {"image_file": "a.png"}, "--images FOLDER"),
        ("search", {"image": "AAAA", "image_file": "a.png"}, "Leave one of them out"),
        ("case", {"case_id": "../../etc/passwd"}, "Use an id"),
    ],
)  # fmt: skip
def test_errors_carry_their_remedy(rag: MMedRAG, tool: str, arguments: Any, remedy: str) -> None:
    assert re.search(remedy, failure(call(server(rag), tool, **arguments)))


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "link.png", "a\0b"])
def test_no_file_outside_the_folder_is_read(rag: MMedRAG, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("L", (64, 64)).save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    assert "folder" in failure(call(server(rag, folder), "search", image_file=name))


@pytest.mark.parametrize("name", ["gone.png", "bad.png", "below", "."])
def test_errors_about_images_do_not_say_where_the_folder_is(
    rag: MMedRAG, tmp_path: Path, name: str
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "bad.png").write_bytes(b"no image")
    told = failure(call(server(rag, tmp_path), "search", image_file=name))
    assert name in told
    assert str(tmp_path) not in told


def test_errors_of_the_casebase_do_not_say_where_it_is(offline: Stages, tmp_path: Path) -> None:
    made, _ = create(tmp_path / "closed.casebase")
    served = server(assemble(offline, made, dictionary()))
    made.close()
    assert "the casebase is closed" in failure(call(served, "search", text="mass"))

    async def talk(client: Client) -> None:
        for uri in ("mmedrag://info", "mmedrag://cases/x", "mmedrag://cases/x/preview"):
            with pytest.raises(MCPError, match="the casebase is closed") as told:
                await client.read_resource(uri)
            assert str(tmp_path) not in str(told.value)

    converse(served, talk)


def test_a_folder_of_images_that_is_none_is_refused(rag: MMedRAG, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="is no folder"):
        server(rag, tmp_path / "gone")


def test_a_server_of_some_cases_shows_no_other(rag: MMedRAG, phantoms: list[Case]) -> None:
    hidden = next(c for c in phantoms if c.domain == "pathology")
    made = server(replace(rag, where="domain = 'radiology'"))
    assert "There is no case" in failure(call(made, "case", case_id=hidden.id))

    async def talk(client: Client) -> None:
        for end in ("", "/preview"):
            with pytest.raises(MCPError, match="There is no case"):
                await client.read_resource(f"mmedrag://cases/{hidden.id}{end}")

        (info,) = (await client.read_resource("mmedrag://info")).contents
        seen = sum(c.domain == "radiology" for c in phantoms)
        assert json.loads(info.text)["cases"] == seen
        assert json.loads(info.text)["domains"] == {"radiology": seen}

    converse(made, talk)
    found = call(made, "search", text=hidden.text).structured_content["evidence"]
    assert {e["domain"] for e in found if e["kind"] == "case"} <= {"radiology"}


def test_many_calls_at_once(rag: MMedRAG) -> None:
    async def talk(client: Client) -> list[Any]:
        results: list[Any] = []

        async def one(text: str) -> None:
            arguments = {"text": text, "k": 2}
            results.append((await client.call_tool("search", arguments)).structured_content)

        async with anyio.create_task_group() as group:
            for text in ("drusen", "pleural effusion") * 4:
                group.start_soon(one, text)
        return results

    results = converse(server(rag), talk)
    assert len(results) == 8
    assert len({json.dumps(r, sort_keys=True) for r in results}) == 2


@pytest.fixture(scope="module")
def casebase(phantoms: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mmedrag.datasets.records import write_records

    folder = tmp_path_factory.mktemp("mcp")
    write_records(phantoms[:9], folder / "records.jsonl")
    assert main(["index", str(folder / "records.jsonl"), "--into", str(folder / "x.casebase")]) == 0
    return folder / "x.casebase"


def test_over_stdio(casebase: Path) -> None:
    command = StdioServerParameters(
        command=sys.executable, args=[*COMMAND, str(casebase)], env=dict(os.environ)
    )
    result = call(command, "search", text="pleural effusion", k=2)
    assert len([e for e in result.structured_content["evidence"] if e["kind"] == "case"]) == 2


def test_over_http_until_it_is_interrupted(casebase: Path) -> None:
    with subprocess.Popen(
        [sys.executable, *COMMAND, str(casebase), "--port", "0"],
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            url = next(
                filter(None, map(re.compile(r"http://127\.0\.0\.1:\d+/mcp").search, process.stderr))
            )[0]
            assert "Give a text" in failure(call(url, "ask"))
            assert not call(url, "ask", question="drusen").is_error
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def test_a_port_in_use_is_an_error(casebase: Path, capsys) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert main(["mcp", str(casebase), "--port", port]) == 2
    assert "another --port" in capsys.readouterr().err


def test_a_patient_is_compared_with_before(followed: MMedRAG) -> None:
    asked = {"question": "What has changed?", "patient_id": "P1"}
    answer = call(server(followed), "ask", **asked).structured_content
    (change,) = answer["answer"]["changes"]
    assert (change["term"], change["trend"]) == ("consolidation", "worse")
    until = {"text": "consolidation", "patient_id": "P1", "at": "2020-02-01"}
    found = call(server(followed), "search", **until).structured_content["evidence"]
    assert {e["id"] for e in found if e["kind"] == "case"} == {"january", "other"}
    assert "is no date" in failure(call(server(followed), "search", **until | {"at": "soon"}))

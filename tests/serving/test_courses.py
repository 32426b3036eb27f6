"""The course of a patient over HTTP: JSON and page."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="pip install 'mmedrag[serve]'")

from serving.chromium import expect


def test_a_course_is_json_and_a_page(tab, serve, own: Path):
    client = serve(own)
    for day, text in (("2020-01-01", "Consolidation."), ("2020-01-09", "No consolidation.")):
        case = {"id": day, "text": text, "patient_id": "P/1", "date": day, "modality": "xray"}
        assert client.post("/v1/cases", json=case).status_code == 201
    read = client.get("/v1/course", params={"patient": "P/1"}).json()
    assert [c["trend"] for c in read["changes"]] == ["resolved"]
    until = client.get("/v1/course", params={"patient": "P/1", "at": "2020-01-05"}).json()
    assert [s["cases"] for s in until["studies"]] == [["2020-01-01"]]
    page = client.get("/course", params={"patient": "P/1"}, headers={"Accept": "text/html"})
    assert "<svg" in page.text
    assert "<script" not in page.text.split("<main", 1)[1]
    tab.goto(f"{client.base_url}/course?patient=P/1")  # the tab sees that no style is refused
    expect(tab.locator("main svg")).to_be_visible()
    reply = client.post("/v1/ask", json={"text": "What has changed?", "patient_id": "P/1"})
    assert reply.status_code == 200, reply.text
    asked = reply.json()
    assert asked["answer"]["changes"][0]["term"] == "consolidation"


def test_what_is_not_there_is_said(serve, own: Path):
    client = serve(own)
    assert client.get("/v1/course", params={"patient": "nobody"}).status_code == 404
    assert client.get("/v1/course").status_code == 422
    assert client.get("/v1/course", params={"patient": "P", "at": "soon"}).status_code == 422

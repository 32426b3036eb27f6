"""The page of a casebase: its jobs started, watched and cancelled, with and without a script."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from pathlib import Path
from threading import Event

import httpx
import pytest

from mmedrag.datasets.records import write_records
from mmedrag.serving.casebase_pages import _caseless
from patience import PATIENCE
from serving.chromium import expect, violations

PAGE = {"Accept": "text/html"}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Jobs wait for this after their first batch."""
    from mmedrag.serving.jobs import Job

    release, advance = Event(), Job.advance

    def advance_slowly(job: Job, rows: int) -> None:
        advance(job, rows)
        if rows:
            release.wait(PATIENCE)
            advance(job, 0)

    monkeypatch.setattr(Job, "advance", advance_slowly)
    return release


@pytest.fixture
def client(serve, own: Path, tmp_path: Path, phantoms) -> httpx.Client:
    corpora = tmp_path / "corpora"
    corpora.mkdir()
    write_records(phantoms[30:36], corpora / "more.jsonl")
    return serve(own, "--corpora", corpora)


def test_a_job_is_started_watched_and_cancelled(tab, client: httpx.Client, held: Event) -> None:
    tab.goto(f"{client.base_url}/casebase")
    expect(tab.locator("#jobs [role=status]")).to_contain_text("No corpus was indexed")
    tab.fill("#corpus", "absent.jsonl")
    tab.keyboard.press("Enter")
    expect(tab.locator("#jobs-problem")).to_contain_text("There is no such corpus here")
    tab.fill("#corpus", "more.jsonl")
    tab.keyboard.press("Enter")
    expect(tab.locator("#jobs li")).to_contain_text("6 rows done")
    expect(tab.locator("#jobs [role=status]")).to_have_text("1 job is not finished.")
    expect(tab.locator("#jobs-problem")).to_be_empty()
    assert violations(tab) == []
    tab.get_by_role("button", name="Cancel more.jsonl").click()
    expect(tab.locator("#jobs li")).to_contain_text("stops after this batch")
    held.set()
    expect(tab.locator("#jobs li")).to_have_attribute("data-state", "cancelled")
    expect(tab.locator("#jobs [role=status]")).to_have_text("All jobs have ended.")
    assert violations(tab) == []


def test_the_same_without_a_script(browser, client: httpx.Client, held: Event) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{client.base_url}/casebase")
    page.fill("#corpus", "more.jsonl")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#jobs li")).to_contain_text("more.jsonl")
    page.click("noscript a")
    expect(page.locator("#jobs li button")).to_be_visible()
    page.click("#jobs li button")
    held.set()
    (job,) = client.get("/v1/jobs").json()["jobs"]
    assert job["cancelling"] or job["state"] == "cancelled"
    context.close()


def test_a_count_links_to_the_filter_that_finds_its_cases(client: httpx.Client) -> None:
    page = client.get("/casebase", headers=PAGE).text
    links = re.findall(r'href="(/\?text=[^"]*where=(\w+)[^"]*)">', page)
    assert {field for _, field in links} == {"affirms", "labels", "modality"}
    first = {field: unescape(link) for link, field in reversed(links)}
    for field in ("affirms", "labels"):
        found = client.get(first[field], headers=PAGE)
        assert found.status_code == 200
        assert 'class="card' in found.text, first[field]


def test_values_that_differ_in_case_are_counted_as_one() -> None:
    assert _caseless(Counter({"ct": 3, "CT": 1, "mri": 2})) == {"ct": 4, "mri": 2}


def test_who_only_reads_sees_the_jobs_alone(serve, own: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[reader]\ntoken = "0123456789abcdef-read"\nscopes = ["read"]\n', "utf-8")
    client = serve(own, "--token-file", tokens, "--corpora", tmp_path)
    client.headers["Authorization"] = "Bearer 0123456789abcdef-read"
    page = client.get("/casebase", headers=PAGE).text
    assert "No corpus was indexed" in page
    assert 'name="corpus"' not in page
    assert client.post("/jobs", data={"corpus": "x"}).status_code == 403


def test_a_service_without_corpora_offers_no_start(serve, own: Path) -> None:
    client = serve(own)
    assert 'name="corpus"' not in client.get("/casebase", headers=PAGE).text
    assert client.post("/jobs", data={"corpus": "x"}).status_code == 403
    assert client.post("/jobs/none/cancel").status_code == 404

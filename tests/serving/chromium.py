"""A real Chromium for tests of the page."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

INSTALL = "apt-get install -y --no-install-recommends chromium fonts-dejavu-core"
SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
WAIT = 60_000  # milliseconds, for machines with much else to do


def _program() -> str:
    """The browser; on a CI machine, it is installed first."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if not any(map(shutil.which, names)):
        _install()
    for name in names:
        if program := shutil.which(name):
            return program
    pytest.skip(f"no chromium: {INSTALL}")


def _install() -> None:
    wanted = os.environ.get("CI") or os.environ.get("MMEDRAG_INSTALL") == "1"
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, timeout=300)
        subprocess.run(INSTALL.split(), env=environment, capture_output=True, timeout=600)


@pytest.fixture(scope="module")  # while it is open, its event loop keeps others from running
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    program = _program()
    with playwright.sync_playwright() as p:
        opened = p.chromium.launch(executable_path=program, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture
def tab(browser) -> Iterator[object]:
    """A tab that must see no error, no refused policy and no request to elsewhere."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if "Content Security" in m.text else None)
    page.on("request", lambda r: faults.append(r.url) if "127.0.0.1" not in r.url and not
            r.url.startswith(("data:", "blob:")) else None)  # fmt: skip
    yield page
    context.close()
    assert faults == []


def expect(thing):
    from playwright.sync_api import expect as expected

    expected.set_options(timeout=WAIT)
    return expected(thing)


def asked(page, text: str) -> None:
    page.fill("#text", text)
    page.click("#go")
    expect(page.locator("#answer .notice")).to_be_visible()
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")


def violations(page, *rules: str) -> list[str]:
    """The rules of axe that the page breaks, of all or of some."""
    from axe_playwright_python.base import AXE_SCRIPT

    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    found = "options => axe.run(options).then(found => found.violations.map(v => v.id))"
    return page.evaluate(found, {"resultTypes": ["violations"], **only})

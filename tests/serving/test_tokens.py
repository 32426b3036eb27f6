"""Who may do what."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import httpx
import pytest

from mmedrag.cli import main
from mmedrag.errors import QueryError
from mmedrag.serving.app import ROUTERS
from mmedrag.serving.limits import Rate
from mmedrag.serving.problems import TooManyRequests
from mmedrag.serving.tokens import Scope, parse

TOKENS = {scope: f"{scope}-token-0123456789" for scope in Scope}

ROUTES = [
    ("POST", "/v1/search", Scope.READ), ("POST", "/v1/ask", Scope.READ),
    ("POST", "/v1/why", Scope.READ),
    ("GET", "/v1/cases/x", Scope.READ), ("GET", "/v1/previews/x", Scope.READ),
    ("POST", "/v1/cases", Scope.WRITE), ("PUT", "/v1/cases/x", Scope.WRITE),
    ("DELETE", "/v1/cases/absent", Scope.WRITE), ("POST", "/v1/index", Scope.ADMIN),
    ("GET", "/v1/jobs", Scope.READ), ("GET", "/v1/jobs/x", Scope.READ),
    ("DELETE", "/v1/jobs/x", Scope.ADMIN), ("GET", "/v1/define", Scope.READ),
    ("GET", "/v1/info", Scope.READ), ("POST", "/v1/feedback", Scope.WRITE),
    ("GET", "/v1/feedback/pairs", Scope.ADMIN), ("GET", "/metrics", Scope.ADMIN),
    ("GET", "/", Scope.READ), ("POST", "/", Scope.READ), ("GET", "/case", Scope.READ),
    ("GET", "/casebase", Scope.READ), ("GET", "/trace/x", Scope.READ),
    ("GET", "/jobs", Scope.READ), ("POST", "/jobs", Scope.ADMIN),
    ("POST", "/jobs/x/cancel", Scope.ADMIN),
    ("POST", "/pixels", Scope.READ), ("GET", "/image", Scope.READ),
    ("POST", "/feedback", Scope.WRITE), ("GET", "/v1/course", Scope.READ),
    ("GET", "/course", Scope.READ),
]  # fmt: skip
OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("HEAD", "/healthz"), ("HEAD", "/readyz"),
        ("GET", "/login"), ("POST", "/login"),
        ("POST", "/logout"), ("GET", "/openapi.json"), ("HEAD", "/openapi.json")}  # fmt: skip


def token_file(folder: Path, *scopes: Scope) -> Path:
    path = folder / "tokens.toml"
    path.write_text(
        "\n".join(f'[{s}]\ntoken = "{TOKENS[s]}"\nscopes = ["{s}"]\n' for s in scopes), "utf-8"
    )
    return path


@pytest.fixture
def secured(serve, own: Path, tmp_path: Path) -> httpx.Client:
    return serve(own, "--token-file", token_file(tmp_path, *Scope))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_every_route_asks_for_its_scope(secured: httpx.Client) -> None:
    for method, path, needed in ROUTES:
        reply = secured.request(method, path)
        assert reply.status_code == 401, (method, path)
        assert reply.headers["www-authenticate"] == "Bearer"
        assert secured.request(method, path, headers=bearer("x" * 20)).status_code == 401
        for scope, token in TOKENS.items():
            status = secured.request(method, path, headers=bearer(token)).status_code
            assert (status == 403) == (not scope.covers(needed)) or (
                status == 403 and path == "/v1/index"
            ), (method, path, scope, status)
            assert status < 500


def test_no_route_is_left_out() -> None:
    served = {(m, r.path) for router in ROUTERS for r in router.routes for m in r.methods}
    plain = {
        (m, p.replace("{case_id:id}", "x").replace("{job_id}", "x").replace("{trace_id}", "x"))
        for m, p in served
    }
    listed = {(m, p.replace("absent", "x")) for m, p, _ in ROUTES}
    assert plain - listed - OPEN == set()


def test_tokens_are_replaced_without_a_restart(serve, own: Path, tmp_path: Path) -> None:
    file = token_file(tmp_path, Scope.READ)
    client = serve(own, "--token-file", file)
    assert client.get("/v1/info", headers=bearer(TOKENS[Scope.READ])).status_code == 200
    token_file(tmp_path, Scope.ADMIN)
    os.utime(file, ns=(1, 1))
    assert client.get("/v1/info", headers=bearer(TOKENS[Scope.READ])).status_code == 401
    assert client.get("/v1/info", headers=bearer(TOKENS[Scope.ADMIN])).status_code == 200
    file.write_text("not = [toml", "utf-8")
    assert client.get("/v1/info", headers=bearer(TOKENS[Scope.ADMIN])).status_code == 200


def test_a_token_may_be_for_one_casebase(serve, own: Path, thirty: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    digest = hashlib.sha256(b"a token for one casebase").hexdigest()
    file.write_text(f'[one]\nsha256 = "{digest}"\n[one.casebases]\nmine = ["read"]\n', "utf-8")
    client = serve(f"other={thirty}", f"mine={own}", "--token-file", file)
    client.headers.update(bearer("a token for one casebase"))
    assert client.get("/v1/info").json()["casebases"] == ["mine"]
    assert client.get("/v1/info?casebase=mine").status_code == 200
    assert client.get("/v1/info?casebase=other").status_code == 403
    assert client.get("/v1/info?casebase=absent").status_code == 403
    assert client.post("/v1/feedback?casebase=mine").status_code == 403


def test_the_page_signs_in_with_a_cookie(secured: httpx.Client) -> None:
    html = {"Accept": "text/html"}
    assert "Whoever runs this service gives it to you" in secured.get("/", headers=html).text
    wrong = secured.post("/login", data={"token": "wrong"}, headers=html)
    assert wrong.status_code == 401
    assert "wrong token" in wrong.text
    right = secured.post("/login", data={"token": TOKENS[Scope.READ]}, headers=html)
    assert right.status_code == 303
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    page = secured.get("/", headers=html)
    assert page.status_code == 200
    assert "Sign out" in page.text
    assert secured.post("/logout").status_code == 303
    assert secured.get("/").status_code == 401


@pytest.mark.parametrize(
    "token", ["contraseña-de-sala-3", "żółta łódź płynie", 'a;b,c "d" %41 \\ e f']
)
def test_a_token_may_be_any_text(serve, own: Path, tmp_path: Path, token: str) -> None:
    file = tmp_path / "tokens.toml"
    digest = hashlib.sha256(token.encode()).hexdigest()
    file.write_text(f'[ward]\nsha256 = "{digest}"\nscopes = ["read"]\n', "utf-8")
    client = serve(own, "--token-file", file)
    header = [(b"Authorization", b"Bearer " + token.encode())]  # in UTF-8, as curl sends it
    assert client.get("/v1/info", headers=header).status_code == 200
    assert client.get("/v1/info").status_code == 401
    assert client.post("/login", data={"token": token}).status_code == 303
    assert client.get("/v1/info").status_code == 200


def test_a_service_without_tokens_keeps_none(client: httpx.Client) -> None:
    reply = client.post("/login", data={"token": "x" * 100_000})
    assert reply.status_code == 303
    assert "set-cookie" not in reply.headers


def test_other_addresses_need_tokens(thirty: Path, capsys) -> None:
    assert main(["serve", str(thirty), "--host", "0.0.0.0"]) == 2
    assert "--token-file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "", "x", '[a]\ntoken = "short"', "[a]\nscopes = [\"read\"]", '[a]\nsha256 = "12"',
        '[a]\ntoken = "0123456789abcdef"\nscopes = ["root"]',
        '[a]\ntoken = "0123456789abcdef"\nsecret = 1', "a = 1",
    ],
)  # fmt: skip
def test_a_bad_token_file_is_refused_without_its_secrets(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert "0123456789abcdef" not in str(caught.value)


def test_a_bucket_fills_with_time() -> None:
    now = 0.0
    rate = Rate(60, clock=lambda: now)
    for _ in range(10):
        rate.charge("a")
    with pytest.raises(TooManyRequests) as caught:
        rate.charge("a")
    assert caught.value.retry_after == pytest.approx(1.0)
    rate.charge("b")
    now = 1.0
    rate.charge("a")

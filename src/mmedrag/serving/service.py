"""What the endpoints share: the casebases, who may do what to them, and the records of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from fastapi import Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from mmedrag.casebase.feedback import FeedbackFile
from mmedrag.pipeline import MMedRAG
from mmedrag.protocols import CaseStore
from mmedrag.serving.audit import AuditLog, Metrics
from mmedrag.serving.jobs import Jobs
from mmedrag.serving.limits import Rate
from mmedrag.serving.problems import Forbidden, NotHere, Unauthorised
from mmedrag.serving.questions import Writer
from mmedrag.serving.readers import Readers
from mmedrag.serving.tokens import LOCAL, Client, Scope, Tokens
from mmedrag.serving.traces import Traces

COOKIE = "mmedrag-token"
"""Where the page keeps the token that was typed into it, quoted as in addresses."""

CasebaseName = Annotated[
    str, Query(max_length=100, description="Name of the casebase; the first one where left out.")
]
_BEARER = HTTPBearer(auto_error=False, description="A token of the token file.")


@dataclass(frozen=True, slots=True)
class Service:
    """The collaborators of the endpoints.

    ``corpora`` is the folder below which ``POST /v1/index`` may read; ``None`` allows none.
    """

    casebases: Mapping[str, Readers]
    tokens: Tokens | None
    rate: Rate
    writer: Writer
    audit: AuditLog
    metrics: Metrics
    corpora: Path | None = None
    traces: Traces = field(default_factory=Traces)
    jobs: Jobs = field(default_factory=Jobs)
    feedback: dict[str, FeedbackFile] = field(default_factory=dict)

    def readers(self, name: str) -> Readers:
        """The casebase of that name; the first where it is empty.

        Raises:
            NotHere: there is none.
        """
        served = self.casebases.get(name) if name else next(iter(self.casebases.values()))
        if served is None:
            raise NotHere("There is no such casebase here", "GET /v1/info lists them.")
        return served

    def feedback_of(self, readers: Readers) -> FeedbackFile:
        """The feedback file of a casebase."""
        return self.feedback.setdefault(readers.name, FeedbackFile(readers.folder))

    def close(self) -> None:
        """End the jobs, then close the casebases and the log."""
        self.jobs.close()
        for readers in self.casebases.values():
            readers.close()
        self.audit.close()


@dataclass(frozen=True, slots=True)
class Grant:
    """A request that may go on: by whom, and on which casebase."""

    service: Service
    client: Client
    readers: Readers

    @property
    def casebase(self) -> str:
        """The casebase's name."""
        return self.readers.name


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service


def client_of(request: Request, token: str | None) -> Client:
    """Who sent a request, whose rate it is charged to.

    Raises:
        Unauthorised: no valid token.
        TooManyRequests: above the rate.
        Forbidden: another site's page made the browser send it.
    """
    service = service_of(request)
    _same_origin(request)
    address = request.client.host if request.client else "unknown"
    if service.tokens is None:
        client = LOCAL
    else:
        try:
            client = service.tokens.client(token or unquote(request.cookies.get(COOKIE, "")))
        except Unauthorised:
            service.rate.charge(address)
            raise
    service.rate.charge(address if client is LOCAL else f"token {client.name}")
    request.state.client = client.name
    return client


def granted(scope: Scope) -> Callable[..., Awaitable[Grant]]:
    """A dependency: the grant of a scope for the casebase that the request names."""

    async def dependency(
        request: Request,
        casebase: CasebaseName = "",
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None,
    ) -> Grant:
        client = client_of(request, _as_sent(bearer.credentials) if bearer else None)
        readers = _allowed(service_of(request), client, scope, casebase)
        request.state.casebase = readers.name
        return Grant(service_of(request), client, readers)

    return dependency


def _as_sent(credentials: str) -> str:
    """A token of a header, which is read as Latin-1 and usually sent as UTF-8."""
    try:
        return credentials.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return credentials


def _allowed(service: Service, client: Client, scope: Scope, casebase: str) -> Readers:
    """The named casebase; without a name the first that the client has the scope for."""
    if not casebase:
        allowed = [r for name, r in service.casebases.items() if client.may(scope, name)]
        if allowed:
            return allowed[0]
    elif casebase not in service.casebases:
        client.require(Scope.READ)  # who may read nothing does not learn what is there
    readers = service.readers(casebase)
    client.require(scope, readers.name)
    return readers


def _same_origin(request: Request) -> None:
    """A page of another site may not use this browser's access, under whatever host name."""
    if service_of(request).tokens is None and not is_loopback(request.url.hostname or ""):
        raise Forbidden(
            "The request names another host than this machine", "Use 127.0.0.1 or localhost."
        )
    if _is_foreign(request):
        if request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate":
            return  # a link from elsewhere opens the page, and shows its site nothing
        raise Forbidden("The request comes from another site", "Open the page of this service.")


def _is_foreign(request: Request) -> bool:
    """Whether a page of another site sent it, as far as the browser tells.

    Browsers that send no referrer name no origin either when a form is sent ("null"): then
    ``Sec-Fetch-Site`` tells, which every browser sends to this machine. Elsewhere the cookie with
    the token is never sent from another site.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin == "null":
        return service_of(request).tokens is None
    return origin is not None and _host_of(origin) != request.headers.get("host")


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; ``None`` where it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a name or an address is that of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def store_of(rag: MMedRAG) -> CaseStore:
    """The store of cases of a reader."""
    assert isinstance(rag.cases, CaseStore)
    return rag.cases

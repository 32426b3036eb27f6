"""A DICOMweb archive as a client sees it: searched (QIDO-RS), retrieved from (WADO-RS), throttled.

Nothing of a server's answer is quoted in errors: it may name a patient. Credentials come from the
environment, go to the one host only (redirects are not followed), and are in no message.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

import httpx

from mmedrag.dicomweb.multipart import BrokenMultipart, Part, boundary_of, read_parts
from mmedrag.errors import ArchiveError
from mmedrag.imaging.limits import MAX_BYTES
from mmedrag.types import Problem

Attributes: TypeAlias = Mapping[str, Any]
"""One result of a search in the DICOM JSON model (PS3.18, annex F), by tags such as 0020000D."""

USER, PASSWORD, TOKEN = "MMEDRAG_PACS_USER", "MMEDRAG_PACS_PASSWORD", "MMEDRAG_PACS_TOKEN"
CA, CERTIFICATE, KEY = "MMEDRAG_PACS_CA", "MMEDRAG_PACS_CERT", "MMEDRAG_PACS_KEY"

NATIVE = "*"
"""The transfer syntax in which the server keeps an instance, whatever it is."""

PAGE = 200
"""Results that are asked for at a time; a server may give fewer."""

HOPELESS = 20
"""Failures in a row after which the server is broken, not what it was asked for."""

_MAX_JSON = 64 * 2**20
_ATTEMPTS = 4
_PATIENCE = 30.0
_SILENCE = 60.0  # seconds within an answer
_AGAIN = frozenset({408, 425, 429, 502, 503, 504})


class NotRetrieved(Exception):
    """One instance that the server does not give; the others may still be had."""


class NoSearch(ArchiveError):
    """A search that failed as a whole; others may still be answered."""


class NoConnection(ArchiveError):
    """Nobody is at the address, or nobody to be trusted."""


class NotThere(NotRetrieved):
    """What was asked for is not in the archive, or no longer."""


class ServerFailure(NotRetrieved):
    """The server fails (HTTP 5xx), as with a damaged file of its own."""


class _Passing(Exception):
    """What may be gone at the next attempt; the seconds to wait that the server has named."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(slots=True)
class Archive:
    """A DICOMweb server.

    Args:
        url: of its DICOMweb service, as ``https://pacs.example.org/dicom-web``.
        rate: the most requests that are sent in a second; 0 for no limit.
        backoff: seconds before the second attempt; each further one waits twice as long.

    Raises:
        ArchiveError: the address is none, or holds credentials; a certificate cannot be read.
    """

    url: str
    rate: float = 0.0
    backoff: float = 0.5
    requests: int = field(default=0, init=False)
    _client: httpx.Client = field(init=False, repr=False)
    _next: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        self.url = _checked(self.url)
        headers = {"Accept-Encoding": "identity"}  # sizes are checked as they arrive
        token, user = os.environ.get(TOKEN, "").strip(), os.environ.get(USER, "")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._client = httpx.Client(
                headers=headers,
                auth=(user, os.environ.get(PASSWORD, "")) if user and not token else None,
                verify=_tls(),
                timeout=httpx.Timeout(_SILENCE, connect=10.0),
            )
        except (UnicodeError, ValueError):
            raise ArchiveError(
                f"{TOKEN}, {USER} or {PASSWORD} holds what no header can", "Set it anew."
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def is_confidential(self) -> bool:
        """Whether what is sent stays on this machine or goes over TLS."""
        address = urlsplit(self.url)
        return address.scheme == "https" or address.hostname in ("127.0.0.1", "localhost", "::1")

    def sends_credentials(self) -> bool:
        """Whether the environment holds a user or a token."""
        return bool(os.environ.get(TOKEN, "").strip() or os.environ.get(USER, ""))

    def search(
        self, path: str, keys: Mapping[str, str] | None = None
    ) -> Iterator[Attributes | Problem]:
        """QIDO-RS: the results, as far as the server has any.

        Some servers (Orthanc 1.10) take an escaped character for itself, and find nothing where a
        key holds a blank or an accent: such keys are asked for once more with the wildcard of one
        character, or of several, in its place.

        Args:
            path: such as ``studies`` or ``studies/1.2.3/series``.
            keys: what to match, such as ``{"StudyDate": "20260101-"}``, wildcards included.

        Raises:
            NoSearch: the server does not answer this search.
            ArchiveError: the server cannot be reached, or refuses.
        """
        keys = keys or {}
        results = self._results(path, keys)
        first = next(results, None)
        if first is not None:
            yield first
            yield from results
        elif (unescaped := {k: _unescaped(v) for k, v in keys.items()}) != keys:
            yield from self._results(path, unescaped)

    def _results(self, path: str, keys: Mapping[str, str]) -> Iterator[Attributes | Problem]:
        """Page by page, until the server has no more.

        A result that comes twice, because the archive has grown in between, is given once. Some
        servers read files to answer, and one that is damaged fails its page: then the page is
        halved until the others have come, and a problem stands in the place of the one.
        """
        seen: set[str] = set()
        offset, limit, broken = 0, PAGE, 0
        while True:
            try:
                page = self._page(path, keys, offset, limit)
            except ServerFailure as error:
                broken += limit == 1
                if limit == 1:
                    yield Problem(Path(path), None, f"result {offset + 1} of a search: {error}")
                    offset += 1
                if broken == HOPELESS:
                    raise self.no_search(error) from None
                limit = max(1, limit // 2)
                continue
            new = [row for row in page if _key(row) not in seen]
            seen.update(_key(row) for row in new)
            yield from new
            if not new:  # an empty page, or a server that knows no offset
                return
            offset, limit, broken = offset + len(page), min(PAGE, 2 * limit), 0

    def _page(
        self, path: str, keys: Mapping[str, str], offset: int, limit: int
    ) -> list[Attributes]:
        paging = {"limit": str(limit), "offset": str(offset)}
        url = f"{self.url}/{path}?{_query({**keys, **paging})}"
        try:
            page = self.json(url)
        except ServerFailure:
            raise
        except NotRetrieved as error:
            raise self.no_search(error) from None
        if not isinstance(page, list) or not all(isinstance(row, dict) for row in page):
            raise self.no_search("not the JSON of QIDO-RS")
        return page

    def no_search(self, reason: object) -> NoSearch:
        """The error for a search that failed as a whole."""
        return NoSearch(
            f"{self.url} does not answer a search: {reason}",
            "Check the address: it ends with the path of the DICOMweb service (Orthanc: "
            "/dicom-web), and the keys of --where; see the server's log.",
        )

    def json(self, url: str) -> Any:  # noqa: ANN401 - JSON is of any type
        """What a GET of an address gives; an empty list for no content.

        Raises:
            NotRetrieved: it gives nothing, or no JSON.
            ArchiveError: the server cannot be reached, or refuses access.
        """
        return self._persist(lambda: self._json(url))

    def retrieve(self, path: str, into: Path, syntax: str = NATIVE) -> None:
        """WADO-RS: one instance as a file that only its owner may read.

        Args:
            path: such as ``studies/1.2.3/series/1.2.4/instances/1.2.5``.
            into: the file; what it holds is replaced.
            syntax: the transfer syntax; by default the one in which the server keeps the instance.

        Raises:
            NotRetrieved: the server has not got it, it is too large, or it broke off each time.
            ArchiveError: the server cannot be reached, or refuses everything.
            OSError: the file cannot be written.
        """
        accept = f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'
        self._persist(lambda: self._instance(f"{self.url}/{path}", accept, into))

    def _json(self, url: str) -> Any:  # noqa: ANN401
        with self._answer(url, "application/dicom+json, application/json") as answer:
            if answer.status_code == httpx.codes.NO_CONTENT:
                return []
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _MAX_JSON:
                    raise NotRetrieved(f"more than {_MAX_JSON:,} bytes")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise NotRetrieved("the answer is not JSON") from None

    def _instance(self, url: str, accept: str, into: Path) -> None:
        with self._answer(url, accept) as answer:
            try:
                boundary = boundary_of(answer.headers.get("Content-Type", ""))
                part = next(read_parts(answer.iter_bytes(), boundary), None)
                if part is None:
                    raise NotRetrieved("the answer holds no instance")
                _keep(part, into)
            except BrokenMultipart as error:
                raise _Passing(str(error)) from None

    @contextmanager
    def _answer(self, url: str, accept: str) -> Iterator[httpx.Response]:
        """One request, sent when the rate allows it."""
        if self.rate:
            now = time.monotonic()
            time.sleep(max(0.0, self._next - now))
            self._next = max(now, self._next) + 1 / self.rate
        self.requests += 1
        try:
            with self._client.stream("GET", url, headers={"Accept": accept}) as answer:
                self._check(answer)
                yield answer
        except (httpx.ReadError, httpx.RemoteProtocolError, httpx.DecodingError):
            raise _Passing("the answer broke off") from None
        except httpx.ReadTimeout:  # of this one answer: who cannot be reached does not get so far
            raise _Passing(f"nothing came for {_SILENCE:g} seconds") from None

    def _check(self, answer: httpx.Response) -> None:
        code = answer.status_code
        if code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise ArchiveError(
                f"{self.url} refuses access (HTTP {code})",
                f"Set {USER} and {PASSWORD}, or {TOKEN}, in the environment.",
            )
        if code in _AGAIN:
            raise _Passing(f"HTTP {code}", _seconds(answer.headers.get("Retry-After", "")))
        if code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            raise NotThere(f"HTTP {code}")
        if answer.is_server_error:
            raise ServerFailure(f"HTTP {code}")
        if not answer.is_success:
            raise NotRetrieved(f"HTTP {code}")

    def _persist(self, attempt: Any) -> Any:  # noqa: ANN401
        """Try, and try again where that may help."""
        for number in range(1, _ATTEMPTS + 1):
            wait: float | None = None
            failure: Exception
            try:
                return attempt()
            except _Passing as error:
                failure, wait = NotRetrieved(f"{error}, {_ATTEMPTS} times"), error.wait
            except httpx.TransportError as error:
                failure = self._unreachable(error)
            if number < _ATTEMPTS:
                pause = self.backoff * 2 ** (number - 1) if wait is None else wait
                time.sleep(min(pause, _PATIENCE))
        raise failure

    def _unreachable(self, error: httpx.TransportError) -> NoConnection:
        if "CERTIFICATE" in str(error).upper():
            return NoConnection(
                f"The certificate of {self.url} cannot be verified",
                f"Set {CA} to the file with the certificate of the authority that signed it.",
            )
        if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER" in str(error):
            return NoConnection(
                f"{self.url} does not speak TLS", "Write http://, or name the port of https."
            )
        reason = re.sub(r"\[[^]]*\] ?", "", str(error)) or type(error).__name__
        return NoConnection(
            f"{self.url} cannot be reached ({reason})",
            "Check the address and that the server runs; the same command goes on where it was.",
        )


def text_of(row: Attributes, tag: str) -> str:
    """The first value of an attribute as text; ``""`` where there is none."""
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    first = values[0] if isinstance(values, list) and values else ""
    return str(first).strip() if isinstance(first, str | int | float) else ""


def _keep(part: Part, file: Path) -> None:
    """A part as a file that only its owner may read."""
    size = 0
    with open(file, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
        for piece in part.body:
            size += len(piece)
            if size > MAX_BYTES:
                raise NotRetrieved(f"larger than {MAX_BYTES:,} bytes")
            opened.write(piece)


def _checked(url: str) -> str:
    try:
        address = urlsplit(url.strip())
        usable = (
            address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
        )
    except ValueError:
        usable = False
    if not usable:
        raise ArchiveError("--from is not the address of a server", "Write http://host/dicom-web.")
    if address.username is not None or address.query or address.fragment:
        raise ArchiveError(
            "The address holds more than a server and a path",
            f"Leave out what is before @ and after ?; credentials belong in {USER}, {PASSWORD} or "
            f"{TOKEN} in the environment.",
        )
    return url.strip().rstrip("/")


def _tls() -> ssl.SSLContext:
    """The system's authorities, or those of a file; the client's own certificate, where named."""
    try:
        context = ssl.create_default_context(cafile=os.environ.get(CA) or None)
        if certificate := os.environ.get(CERTIFICATE):
            context.load_cert_chain(certificate, os.environ.get(KEY) or None)
    except (OSError, ValueError):
        raise ArchiveError(
            f"A certificate named by {CA}, {CERTIFICATE} or {KEY} cannot be read",
            "Name files in PEM form.",
        ) from None
    return context


def _query(keys: Mapping[str, str]) -> str:
    return "&".join(f"{quote(key, safe='')}={_escaped(value)}" for key, value in keys.items())


def _escaped(value: str) -> str:
    # A wildcard stays as it is: servers take %2A for an asterisk that is meant literally.
    return quote(value, safe="*?,-/:@")


def _unescaped(value: str) -> str:
    # A comma parts two values for some; other letters than ASCII's are several bytes.
    plain = (c if _escaped(c) == c and c != "," else "?" if c.isascii() else "*" for c in value)
    return "".join(plain)


def _key(row: Attributes) -> str:
    """The UIDs of instance, series and study, as far as a result has them."""
    return "/".join(text_of(row, tag) for tag in ("00080018", "0020000E", "0020000D"))


def _seconds(text: str) -> float | None:
    return float(text) if text.strip().isdecimal() else None

"""The last step of section 3.6 with a chat model behind an OpenAI-compatible address.

Groq, OpenAI, vLLM, Ollama, llama.cpp and others speak this protocol. Nothing is sent anywhere
unless a :class:`ChatGenerator` was chosen, and :meth:`ChatGenerator.what_is_sent` says what.
"""

from __future__ import annotations

import base64
import io
import ipaddress
import logging
import os
import random
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from PIL import Image

from mmedrag.answers.completions import (
    NO_ANSWER,
    Refused,
    Retry,
    pieces,
    read_all,
    refusal,
    short,
)
from mmedrag.answers.deadline import Deadline
from mmedrag.answers.prompts import messages, prompt_tokens, within_budget
from mmedrag.answers.secrets import Secret
from mmedrag.citations import resolve
from mmedrag.errors import BadKey, GenerationError, Unreachable
from mmedrag.imaging.decoding import open_image
from mmedrag.text.reasoning import RETRACTED, answer_only
from mmedrag.types import Evidence, ImageSource, Question

GROQ_URL = "https://api.groq.com/openai/v1"
GROQ_MODEL = "llama-3.3-70b-versatile"

_LONGEST_SIDE = 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatGenerator:
    """Asks a chat model to answer from the evidence, and streams what it writes.

    ``base_url`` ends before ``/chat/completions``. The key is read from the environment variable
    ``key_env`` at each call and kept nowhere; a server on this machine may need none.
    ``context_tokens`` bounds question and evidence (upper estimate), ``max_tokens`` the answer;
    ``temperature`` 0 asks for the likeliest words.
    ``send_image`` adds the query image, re-encoded without its metadata, for models that see.
    Times are in seconds; ``patience`` is the longest wait that a server may ask for before a retry.
    """

    base_url: str
    model: str
    key_env: str = "OPENAI_API_KEY"
    context_tokens: int = 6000
    max_tokens: int = 800
    temperature: float = 0.0
    send_image: bool = False
    attempts: int = 4
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    total_timeout: float = 300.0
    backoff: float = 0.5
    patience: float = 30.0

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.base_url)
            usable = url.scheme in ("http", "https") and bool(urlsplit(self.base_url).hostname)
        except (httpx.InvalidURL, ValueError):
            usable = False
        if not usable:
            raise GenerationError(
                f"{self.base_url!r} is not the address of a server",
                "Give one such as http://127.0.0.1:8080/v1.",
            )

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        """Yield the model's answer in pieces as they arrive.

        Raises:
            BadKey, UnknownModel, TooManyTokens, RateLimited, Unreachable: as their names say,
                after retries where these can help.
            GenerationError: where the server refuses for another reason.
        """
        sent = within_budget(question, evidence, self.context_tokens)
        written = answer_only(self._stream(self._body(question, sent)))
        if len(sent) == len(evidence):
            yield from written
            return
        _log.warning("%s", self.what_is_sent(question, evidence))
        # The pipeline knows the keys that were left out too; the model did not see them.
        for piece in resolve(written, sent):
            yield RETRACTED if piece.retracts else piece.text

    def what_is_sent(
        self, question: Question | None = None, evidence: Sequence[Evidence] = ()
    ) -> str:
        """One line on what leaves this process, to whom; without a question, on any question."""
        if question is None:
            image = "; the query image without metadata" if self.send_image else "; no image"
            what = f"the question and the kept evidence, at most {self.context_tokens} tokens"
            return f"Sends to {self._whom()}: {what}{image}."
        sent = within_budget(question, evidence, self.context_tokens)
        texts = f"{len(sent)} evidence text{'' if len(sent) == 1 else 's'}"
        left_out = len(evidence) - len(sent)
        if left_out:
            texts += f" ({left_out} lowest-ranked left out for length)"
        what = f"the question, {texts}" if question.query.text.strip() else texts
        size = prompt_tokens(question, sent)
        image = "; the query image without metadata" if self._shows(question) else "; no image"
        return f"Sends to {self._whom()}: {what}, at most {size} tokens{image}."

    def _whom(self) -> str:
        address = urlsplit(self.base_url)
        host = address.hostname or ""
        if _on_this_machine(host):
            location = "this machine"
        else:
            location = "unencrypted" if address.scheme == "http" else "over TLS"
        return f"{host} ({location}), model {self.model}"

    def _shows(self, question: Question) -> bool:
        return self.send_image and question.query.image is not None

    def _body(self, question: Question, sent: Sequence[Evidence]) -> dict[str, Any]:
        system, user = messages(question, sent)
        content: object = user["content"]
        if self._shows(question) and question.query.image is not None:
            url = {"url": _data_url(question.query.image, question.query.frame)}
            content = [{"type": "text", "text": content}, {"type": "image_url", "image_url": url}]
        return {
            "model": self.model,
            "messages": [system, {"role": "user", "content": content}],
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "stream": True,
        }

    def _key(self) -> str:
        """The API key, or nothing for a server on this machine."""
        key = os.environ.get(self.key_env, "").strip()
        if key and key.isascii() and key.isprintable():
            return key
        if not _on_this_machine(urlsplit(self.base_url).hostname or ""):
            raise BadKey(
                f"No usable API key in the environment variable {self.key_env}",
                f"Set it: export {self.key_env}=...",
            )
        return ""

    def _client(self, key: str) -> httpx.Client:
        host = urlsplit(self.base_url).hostname or ""
        headers = {"Accept-Encoding": "identity"}
        trusts = not _on_this_machine(host)  # a proxy must not see what is meant to stay here
        return httpx.Client(
            headers=headers | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=httpx.Timeout(self.read_timeout, connect=self.connect_timeout),
            verify=_authorities(trusts),
            trust_env=trusts,
        )

    def _stream(self, body: dict[str, Any]) -> Iterator[str]:
        """Ask and answer without the key, which the server may send back."""
        key = self._key()
        secret = Secret(key)
        try:
            yield from secret.hide_in(self._persist(key, body))
        except GenerationError as error:
            raise type(error)(secret.hide(error.what), error.remedy) from None

    def _persist(self, key: str, body: dict[str, Any]) -> Iterator[str]:
        """Ask, and ask again where that may help, until the first piece has come."""
        ends = time.monotonic() + self.total_timeout
        attempt, refused = 1, set[str]()
        with self._client(key) as client:
            while True:
                started = False
                try:
                    for piece in self._attempt(client, body, ends):
                        started = True
                        yield piece
                except Refused as failure:
                    if failure.field in refused:
                        raise failure.error from None
                    refused.add(failure.field)
                    body = _without(body, failure.field)
                except Retry as failure:
                    if started or attempt == self.attempts:
                        raise failure.error from None
                    time.sleep(self._pause(failure, attempt, ends))
                    attempt += 1
                else:
                    return

    def _attempt(self, client: httpx.Client, body: Mapping[str, Any], ends: float) -> Iterator[str]:
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        with Deadline(ends) as deadline:
            try:
                extensions = deadline.extensions
                with client.stream("POST", url, json=body, extensions=extensions) as response:
                    yield from self._read(response, deadline.read(response))
            except httpx.ConnectTimeout:
                raise Retry(self._unreachable("no connection in time")) from None
            except httpx.TimeoutException:
                raise Retry(self._unreachable("no answer in time")) from None
            except (httpx.TransportError, httpx.DecodingError) as error:
                why = "no answer in time" if deadline.passed else str(error) or type(error).__name__
                raise Retry(
                    self._misspoken(why) if why.startswith(NO_ANSWER) else self._unreachable(why)
                ) from None

    def _read(self, response: httpx.Response, chunks: Iterator[bytes]) -> Iterator[str]:
        """The text of a response, or what its refusal means."""
        if response.status_code != httpx.codes.OK:
            raise refusal(response.status_code, response.headers, read_all(chunks), self.model)
        return pieces(chunks, self.model)

    @property
    def _server(self) -> str:
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    def _misspoken(self, why: str) -> Unreachable:
        return Unreachable(
            f"{self._server} does not answer as a chat server does: {short(why)}",
            "Check that the address is that of OpenAI-compatible chat completions, such as …/v1.",
        )

    def _unreachable(self, why: str) -> Unreachable:
        return Unreachable(
            f"{self._server} cannot be reached: {short(why)}",
            "Check the address, the network and that the server runs; the extractive generator "
            "needs none.",
        )

    def _pause(self, failure: Retry, attempt: int, deadline: float) -> float:
        """Seconds to wait: what the server asks for, else exponential with jitter."""
        pause = failure.retry_after
        if pause is None:
            doubled = self.backoff * 2.0 ** (attempt - 1)
            pause = min(self.patience, doubled * random.uniform(0.5, 1.0))  # noqa: S311
        if pause > self.patience or time.monotonic() + pause > deadline:
            raise failure.error
        return pause


def groq(model: str = GROQ_MODEL, *, send_image: bool = False) -> ChatGenerator:
    """A model at Groq; the key comes from ``GROQ_API_KEY``."""
    return ChatGenerator(
        base_url=GROQ_URL, model=model, key_env="GROQ_API_KEY", send_image=send_image
    )


def openai_compatible(
    base_url: str, model: str, key_env: str = "OPENAI_API_KEY", *, send_image: bool = False
) -> ChatGenerator:
    """A model behind any OpenAI-compatible address: OpenAI, vLLM, Ollama, llama.cpp, ..."""
    return ChatGenerator(base_url=base_url, model=model, key_env=key_env, send_image=send_image)


def _without(body: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The request without a part that the server refuses, or with what stands for it."""
    changed = {name: value for name, value in body.items() if name != field}
    if field == "max_tokens":
        changed["max_completion_tokens"] = body["max_tokens"]
    elif field == "system":
        changed["messages"] = _in_one_message(body["messages"])
    elif field == "stream":
        changed["stream"] = False
    return changed


def _in_one_message(sent: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rules at the beginning of the user's message, for models without a system role."""
    rules, content = sent[0]["content"], sent[1]["content"]
    if isinstance(content, str):
        return [{"role": "user", "content": f"{rules}\n\n{content}"}]
    return [{"role": "user", "content": [{"type": "text", "text": rules}, *content]}]


@cache
def _authorities(trust_env: bool) -> ssl.SSLContext:
    """Whom HTTPX trusts: reading them takes longer than a short answer of a server nearby."""
    return httpx.create_ssl_context(trust_env=trust_env)


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _data_url(image: ImageSource, frame: int | None) -> str:
    """The query image as a JPEG of at most 1024 pixels a side, pixels only."""
    picture = open_image(image, frame)
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    pixels = Image.new("RGB", picture.size)  # a new image: nothing but pixels can come along
    pixels.paste(picture.convert("RGB"))
    buffer = io.BytesIO()
    pixels.save(buffer, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"

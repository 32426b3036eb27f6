"""A served casebase: a few readers of it, one writer, and work on them within a time limit."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Event, Lock
from time import monotonic
from typing import TypeVar

from mmedrag.assembly import load
from mmedrag.errors import CasebaseError, CasebaseLocked, MMedRAGError
from mmedrag.locations import Location, scheme_of, shown
from mmedrag.pipeline import MMedRAG
from mmedrag.protocols import ContextFilter, Generator, Reranker
from mmedrag.serving.problems import Busy, TimeLimit
from mmedrag.stores import CaseDatabase, folder_of, identity_of, open_store
from mmedrag.types import Evidence, Question

FIRST_QUESTIONS = (
    "Is there a pleural effusion? No inferonasal exudates.",
    "¿Hay derrame pleural? Sin exudados inferonasales.",
    "Há derrame pleural? Sem exsudatos inferonasais.",
)
"""In each language whose rules are shipped; asked of a reader before anybody waits for it."""

_ROUNDS = (10_000, 20, 50)
"""Of the garbage collector's three generations, in new objects and in rounds of the one before."""

_REST = 5.0
"""Seconds between two looks at which database a server has."""

T = TypeVar("T")
Work = Callable[[MMedRAG, "Watch"], T]
"""Something done with a reader; it asks the watch now and then whether it may go on."""


class Watch:
    """Ends work whose time is over or whose client has gone."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = monotonic() + seconds
        self.gone = Event()

    def check(self) -> None:
        """Raise :class:`TimeLimit` where the work must stop."""
        if self.gone.is_set() or monotonic() > self._end:
            raise TimeLimit(
                f"The query took longer than {self.seconds:g} s",
                "Ask for fewer cases, or name the domain or a filter.",
            )


@dataclass(frozen=True, slots=True)
class _WatchedReranker:
    inner: Reranker
    watch: Watch

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        self.watch.check()
        return self.inner.rerank(question, evidence)


@dataclass(frozen=True, slots=True)
class _WatchedFilter:
    inner: ContextFilter
    watch: Watch

    def keep(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        self.watch.check()
        return self.inner.keep(question, evidence)


@dataclass(frozen=True, slots=True)
class _WatchedGenerator:
    inner: Generator
    watch: Watch

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        for piece in self.inner.generate(question, evidence):
            self.watch.check()
            yield piece


def _warm(rag: MMedRAG, questions: Sequence[str]) -> None:
    """Ask what loads the rules, models and tables that are read at their first use."""
    for text in questions:
        with suppress(MMedRAGError):
            rag.ask(text)


def _settle() -> None:
    """Take what is loaded out of the garbage collector's rounds, each of which stops every query.

    Models and dictionaries are some hundred thousand objects that live as long as the service. So
    do the cases that readers remember, which come later: rounds over all that is not frozen are
    rare, one in some ten thousand searches.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_ROUNDS)


def watched(rag: MMedRAG, watch: Watch) -> MMedRAG:
    """The system that asks the watch before each stage that may take long."""
    return replace(
        rag,
        reranker=_WatchedReranker(rag.reranker, watch),
        context_filter=_WatchedFilter(rag.context_filter, watch),
        generator=_WatchedGenerator(rag.generator, watch),
    )


class Readers:
    """One casebase as it is served.

    Its models are loaded once. Each reader has its own connection and follows the newest committed
    state; where another casebase was put in its place, all are opened anew.

    Attributes:
        name: by which clients call it.
        location: its path or URL, which no client is told.
        folder: of the files that belong to it.
    """

    def __init__(
        self,
        name: str,
        location: Location,
        *,
        readers: int = 2,
        waiting: int = 64,
        seconds: float = 30.0,
    ) -> None:
        self.name = name
        self.location = location
        self.folder = folder_of(location)
        self._count = readers
        self._most = readers + waiting
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(readers, f"read-{name}")
        self._in_flight = 0
        self._counting = Lock()
        self._opening = Lock()
        self._writing = Lock()
        self._idle: SimpleQueue[MMedRAG] = SimpleQueue()
        self._open: list[MMedRAG] = []
        self._identity: Hashable | None = None
        self._last_seen: Hashable | None = None
        self._look_again = 0.0

    @property
    def ready(self) -> bool:
        """Whether the models are loaded and the casebase is there."""
        return bool(self._open) and self._seen() is not None

    @property
    def in_flight(self) -> int:
        """Requests that are worked on or wait."""
        return self._in_flight

    @property
    def notices(self) -> Sequence[str]:
        """What the casebase found damaged or outdated."""
        return self._open[0].notices if self._open else ()

    def start(self) -> None:
        """Load the models and open the readers.

        Raises:
            CasebaseError, ModelError: see :func:`mmedrag.assembly.load`.
        """
        with self._opening:
            seen = self._seen()
            away = seen is None and bool(scheme_of(self.location))  # searches wait for a server
            if not self._open or (self._identity != seen and not away):
                self._reopen()

    def close(self) -> None:
        """Wait for what is at work, then close the readers."""
        self._threads.shutdown(cancel_futures=True)
        for rag in self._open:
            rag.close()
        self._open = []

    async def run(self, work: Work[T]) -> T:
        """Do something with a reader.

        Raises:
            Busy: enough requests wait already.
            TimeLimit: it takes too long; it is given up at its next stage.
        """
        watch = self._admitted()
        future = self._threads.submit(self._with_reader, work, watch)
        future.add_done_callback(lambda _: self._left())
        try:
            return await asyncio.wait_for(
                asyncio.shield(asyncio.wrap_future(future)), self._seconds
            )
        except TimeoutError:
            watch.gone.set()
            future.cancel()
            watch.check()
            raise
        except asyncio.CancelledError:
            watch.gone.set()
            future.cancel()
            raise

    async def stream(self, work: Callable[[MMedRAG, Watch], Iterator[T]]) -> AsyncIterator[T]:
        """The items of an iterator that a reader makes, as they come.

        Raises:
            Busy, TimeLimit: see :meth:`run`.
        """
        watch = self._admitted()
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[T | BaseException | None] = asyncio.Queue()

        def put(item: T | BaseException | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(items.put_nowait, item)

        def produce(rag: MMedRAG, watch: Watch) -> None:
            for item in work(rag, watch):
                watch.check()
                put(item)

        def ended(future: Future[None]) -> None:
            self._left()
            put(None if future.cancelled() else future.exception())

        future = self._threads.submit(self._with_reader, produce, watch)
        future.add_done_callback(ended)
        try:
            while True:
                item = await asyncio.wait_for(items.get(), self._seconds)
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        except TimeoutError:
            watch.gone.set()
            watch.check()
        finally:
            watch.gone.set()
            future.cancel()

    @contextmanager
    def writer(self) -> Iterator[tuple[CaseDatabase, MMedRAG]]:
        """The casebase open for writing, with a system whose models fill it.

        Raises:
            CasebaseLocked: another writer is at work.
            CasebaseError: it cannot be written.
        """
        if not self._writing.acquire(blocking=False):
            raise CasebaseLocked(
                f"The casebase {self.name} is being written", "Try again when that has ended."
            )
        try:
            with self._unplaced():
                self.start()
                with open_store(self.location) as casebase:
                    yield casebase, self._open[0]
        finally:
            self._writing.release()

    def public(self, error: MMedRAGError) -> MMedRAGError:
        """The error without the casebase's path, which is the server's own business."""
        for attribute in ("what", "remedy"):
            text = str(getattr(error, attribute))
            setattr(error, attribute, text.replace(shown(self.location), self.name))
        return error

    @contextmanager
    def _unplaced(self) -> Iterator[None]:
        """Errors within it tell no client where the casebase is."""
        try:
            yield
        except MMedRAGError as error:
            self.public(error)
            raise

    def _admitted(self) -> Watch:
        if self._in_flight >= self._most:
            raise Busy(
                f"{self._in_flight} requests are being worked on or wait",
                "Try again in a moment.",
                retry_after=1.0,
            )
        with self._counting:
            self._in_flight += 1
        return Watch(self._seconds)

    def _left(self) -> None:
        with self._counting:
            self._in_flight -= 1

    def _with_reader(self, work: Work[T], watch: Watch) -> T:
        watch.check()
        with self._unplaced():
            self.start()
        rag = self._idle.get()
        try:
            with self._unplaced():
                return work(rag, watch)
        finally:
            if any(rag is still for still in self._open):
                self._idle.put(rag)
            else:
                rag.close()

    def _reopen(self) -> None:
        """Open the readers anew; those at work are closed when they come back."""
        identity = self._seen()
        first = load(self.location)
        opened = [first]
        try:
            for _ in range(self._count - 1):
                cases = open_store(self.location, readonly=True)
                opened.append(replace(first, cases=cases))
        except CasebaseError:
            for rag in opened:
                rag.close()
            raise
        _warm(first, FIRST_QUESTIONS)  # models and rules, which all share
        for rag in opened[1:]:
            _warm(rag, FIRST_QUESTIONS[:1])
        while not self._idle.empty():
            self._idle.get().close()
        self._open, self._identity = opened, identity
        for rag in opened:
            self._idle.put(rag)
        _settle()

    def _seen(self) -> Hashable | None:
        """Which database is there; a server is asked now and then, a folder each time."""
        if monotonic() >= self._look_again:
            self._last_seen = identity_of(self.location)
            self._look_again = monotonic() + (_REST if scheme_of(self.location) else 0.0)
        return self._last_seen

"""Indexing in the background: jobs with progress that can be cancelled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from secrets import token_urlsafe
from threading import Event, Lock
from typing import Any

from mmedrag.errors import MMedRAGError
from mmedrag.indexing import IndexReport
from mmedrag.progress import Progress
from mmedrag.serving.problems import NotHere
from mmedrag.types import Problem

KEPT = 100
"""Ended jobs that are remembered."""

_LOG = logging.getLogger(__name__)


class State(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Cancelled(Exception):
    """Raised within a job that is to end; what it has written stays."""


@dataclass(slots=True, eq=False)
class Job:
    """One job; its fields change while it runs.

    ``place`` is the folder of all corpora, which no message tells.
    """

    id: str
    casebase: str
    corpus: str
    state: State = State.WAITING
    rows: int = 0
    started: str = ""
    ended: str = ""
    report: IndexReport | None = None
    problem: MMedRAGError | None = None
    cancelled: Event = field(default_factory=Event)
    place: Path | None = None

    def advance(self, rows: int) -> None:
        """Count finished rows; a :class:`mmedrag.progress.Progress`."""
        self.rows += rows
        if self.cancelled.is_set():
            raise Cancelled

    def as_json(self) -> dict[str, Any]:
        """The job as JSON values; problems of a corpus are counted, and ten are told."""
        report = self.report
        return {
            "id": self.id,
            "casebase": self.casebase,
            "corpus": self.corpus,
            "state": self.state,
            "cancelling": self.cancelled.is_set() and not self.ended,
            "rows": self.rows,
            "started": self.started or None,
            "ended": self.ended or None,
            "report": None if report is None else {
                "written": report.written,
                "unchanged": report.unchanged,
                "encoded": report.encoded,
                "unrouted": report.unrouted,
                "problems": len(report.problems),
                "first_problems": [self._told(_line(p)) for p in report.problems[:10]],
            },
            "error": None if self.problem is None else self._told(str(self.problem)),
        }  # fmt: skip

    def _told(self, message: str) -> str:
        """A message with the paths of files as clients name them."""
        return message if self.place is None else message.replace(f"{self.place}/", "")


def _line(problem: Problem) -> str:
    """A problem without its file, whose name may be a patient's."""
    where = "" if problem.line is None else f"line {problem.line:,}: "
    return f"{where}{problem.reason}"


class Jobs:
    """The jobs of a service, one at a time in the order of asking."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "index")
        self._jobs: dict[str, Job] = {}
        self._lock = Lock()

    def submit(
        self,
        casebase: str,
        corpus: str,
        work: Callable[[Progress], IndexReport],
        *,
        place: Path | None = None,
    ) -> Job:
        """Start a job, or let it wait for those before it."""
        job = Job(token_urlsafe(9), casebase, corpus, place=place)
        with self._lock:
            self._jobs[job.id] = job
            ended = [j.id for j in self._jobs.values() if j.ended]
            for old in ended[: max(0, len(ended) - KEPT)]:
                del self._jobs[old]
        self._thread.submit(_run, job, work)
        return job

    def of(self, casebase: str) -> list[Job]:
        """The jobs of a casebase, the newest first."""
        return [job for job in reversed(self._jobs.values()) if job.casebase == casebase]

    def get(self, casebase: str, job_id: str) -> Job:
        """The job of that id.

        Raises:
            NotHere: there is none.
        """
        job = self._jobs.get(job_id)
        if job is None or job.casebase != casebase:
            raise NotHere("There is no such job", "GET /v1/jobs lists them.")
        return job

    def close(self) -> None:
        """Cancel what runs and wait for it."""
        for job in self._jobs.values():
            job.cancelled.set()
        self._thread.shutdown(cancel_futures=True)


def _run(job: Job, work: Callable[[Progress], IndexReport]) -> None:
    job.started = _now()
    job.state = State.RUNNING
    try:
        job.advance(0)
        job.report = work(job.advance)
        job.state = State.DONE
    except Cancelled:
        job.state = State.CANCELLED
    except MMedRAGError as error:
        job.problem, job.state = error, State.FAILED
    except Exception:  # noqa: BLE001 - a job must end, whatever a corpus does to it
        _LOG.exception("An index job failed")
        job.state = State.FAILED
    job.ended = _now()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

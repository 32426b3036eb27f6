"""The course of a patient, and patients with a like course: ``mmedrag course``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmedrag.commands.options import Commands, add_dictionaries, add_time, at_least, json_document
from mmedrag.errors import QueryError
from mmedrag.locations import location_of
from mmedrag.views.terminal import notify, one_line, show

if TYPE_CHECKING:
    from mmedrag.courses.course import Course
    from mmedrag.types import Change


def add(commands: Commands) -> None:
    """The command ``course``."""
    command = commands.add_parser(
        "course", help="the studies of a patient in order, and how the findings changed"
    )
    command.add_argument("casebase", type=location_of)
    command.add_argument("patient", nargs="?", help="the patient_id in the casebase")
    command.add_argument(
        "--find", metavar="TEXT",
        help="find patients by course, such as 'consolidation that resolved within two weeks'",
    )  # fmt: skip
    command.add_argument(
        "--like",
        type=at_least(0),
        default=0,
        metavar="K",
        help="also the K patients with the most similar course",
    )
    add_time(command)
    add_dictionaries(command)
    command.add_argument("--json", action="store_true", help="print it as JSON")
    command.add_argument("--page", type=Path, help="write the course as one HTML page")
    command.set_defaults(run=_course)


def _course(options: argparse.Namespace) -> int:
    from mmedrag import patients
    from mmedrag.assembly import load
    from mmedrag.views.timeline import course_json, course_text

    if (options.patient is None) == (options.find is None):
        raise QueryError("Neither a patient nor --find, or both, were given", "Give one of them.")
    with load(options.casebase, dictionaries=options.dictionary) as rag:
        for notice in rag.notices:
            notify(notice)
        if options.find is not None:
            return _show_matches(options, patients.find(rag, options.find))
        course = patients.course(rag, options.patient, options.at)
        like = patients.like(rag, course, options.like) if options.like > 0 else []
    if options.page is not None:
        _write(options.page, course)
    if options.json:
        near = [{"distance": round(d, 4), **course_json(c)} for c, d in like]
        show(json_document(course_json(course) | ({"like": near} if near else {})))
        return 0
    show(course_text(course))
    for other, distance in like:
        last = other.timed[-1]
        show(f"like {one_line(other.patient_id)} (distance {distance:.3f}): "
             f"{len(other.timed)} studies to {one_line(last.when)}")  # fmt: skip
    return 0


def _show_matches(
    options: argparse.Namespace, matches: list[tuple[Course, tuple[Change, ...]]]
) -> int:
    from mmedrag.views.timeline import course_json, finding_text
    from mmedrag.views.trace import change_json

    if options.json:
        show(json_document([
            course_json(c) | {"met": [change_json(m) for m in met]} for c, met in matches
        ]))  # fmt: skip
        return 0
    for course, met in matches:
        show(finding_text(course, met))
    show(f"{len(matches)} patient{'' if len(matches) == 1 else 's'} with such a course")
    return 0


def _write(path: Path, course: Course) -> None:
    from mmedrag.durability import write_durably
    from mmedrag.views.timeline import course_page

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, course_page(course))
    except OSError as error:
        raise QueryError(
            f"{path} cannot be written ({error.strerror})", "Choose another place for the page."
        ) from None
    notify(f"wrote {path}")

"""When a case was made, as far as its date says."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.dates import axis_of, chronological, days_of, offset_of, time_of
from mmedrag.types import Case


def span(first: str, last: str) -> tuple[int, int]:
    return date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal()


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2020-01-26", "2020-01-26", "2020-01-26"),
        ("20200126", "2020-01-26", "2020-01-26"),
        ("2020-01-26T10:30:00Z", "2020-01-26", "2020-01-26"),
        ("January 26, 2020", "2020-01-26", "2020-01-26"),
        ("26 de enero de 2020", "2020-01-26", "2020-01-26"),
        ("3rd March 2003", "2003-03-03", "2003-03-03"),
        ("March 2003", "2003-03-01", "2003-03-31"),
        ("2020-02", "2020-02-01", "2020-02-29"),
        (" 2004 ", "2004-01-01", "2004-12-31"),
        ("2/29/2020", "2020-02-29", "2020-02-29"),
        ("25.3.2020", "2020-03-25", "2020-03-25"),
        ("3/3/2020", "2020-03-03", "2020-03-03"),
        ("26-Mar-2020", "2020-03-26", "2020-03-26"),
        ("MAR-2020", "2020-03-01", "2020-03-31"),
        ("2020-4-6", "2020-04-06", "2020-04-06"),
        ("2020/4/16 08:30", "2020-04-16", "2020-04-16"),
        ("20200126103000.123456", "2020-01-26", "2020-01-26"),
    ],
)
def test_a_date_is_the_days_that_it_may_mean(text, first, last):
    assert days_of(text) == span(first, last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "3/4/2020",
        "2020-13-01",
        "2019-02-29",
        "Smarch 2020",
        "12",
        "99999999",
        "2020-13-1",
        "2020.5",
        "26-Smarch-2020",
        "20200132103000",
    ],
)
def test_what_cannot_be_read_is_unknown(text):
    assert days_of(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_span_or_unknown(text):
    read = days_of(text)
    assert read is None or read[0] <= read[1]


@given(st.dates(date(1850, 1, 1), date(2150, 1, 1)))
def test_iso_dates_are_read_to_the_day(day):
    assert days_of(day.isoformat()) == (day.toordinal(),) * 2


def test_offsets_are_finite_numbers():
    def of(value: object) -> float | None:
        return offset_of(Case(id="a", meta={"offset_days": value}))

    assert [of(v) for v in (3, 4.5, "-2")] == [3.0, 4.5, -2.0]
    assert [of(v) for v in (None, "soon", float("nan"), True, [1])] == [None] * 5


def test_a_time_is_a_date_or_a_finite_number():
    assert [time_of(text) for text in ("", "12", " -3.5 ", "2020")] == [None, 12.0, -3.5, "2020"]
    assert [time_of(text) for text in ("inf", "nan", "1e999")] == ["inf", "nan", "1e999"]


def test_cases_are_ordered_on_the_axis_that_most_of_them_have():
    dated = [Case(id=d, date=d) for d in ("2020-03-01", "2020-01-01", "2019")]
    assert [c.id for c in chronological(dated, lambda c: c)] == ["2019", "2020-01-01", "2020-03-01"]
    assert axis_of(dated) is not offset_of
    offset = [Case(id=str(n), meta={"offset_days": n}) for n in (9, -1)]
    assert axis_of([*offset, dated[0]]) is offset_of
    assert [c.id for c in chronological([*offset, dated[0]], lambda c: c)][:2] == ["-1", "9"]


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        (["2020-05-02", "2020-03", "2020-01"], ["2020-01", "2020-03", "2020-05-02"]),
        (["2020-05-02", "2020"], ["2020-05-02", "2020"]),  # within it
        (["2020-05-02", "2020", "2020-03"], ["2020-03", "2020-05-02", "2020"]),
        (["2020-05", "2020-04-30"], ["2020-04-30", "2020-05"]),
        (["2020-01-02T14:00", "2020-01-02 08:30"], ["2020-01-02 08:30", "2020-01-02T14:00"]),
        (["2020-01-02T14:00", "2020-01-02"], ["2020-01-02T14:00", "2020-01-02"]),  # none is first
        (["2020-01-03", "2020-01-02T25:00"], ["2020-01-02T25:00", "2020-01-03"]),
        (
            ["2020-01-02 02:00 PM", "2020-01-02 8:30:00 a.m."],
            ["2020-01-02 8:30:00 a.m.", "2020-01-02 02:00 PM"],
        ),
        (["20200102180000", "20200102120000"], ["20200102120000", "20200102180000"]),
    ],
)
def test_dates_of_any_precision_are_ordered_where_that_is_certain(dates, order):
    cases = [Case(id=d, date=d) for d in dates]
    assert [c.id for c in chronological(cases, lambda c: c)] == order


def test_two_cases_of_one_month_have_no_order_unless_they_are_of_one_study():
    def times(*studies: str) -> list[float | None]:
        cases = [Case(id=f"{i}", date="2020-03", study_id=s) for i, s in enumerate(studies)]
        time = axis_of([*cases, Case(id="x", date="2021-01-01"), Case(id="y", date="2021-01-02")])
        return [time(c) for c in cases]

    assert times("", "") == [None, None]
    assert times("A", "B") == [None, None]
    assert None not in times("A", "A")

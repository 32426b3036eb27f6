"""The agreement of similar cases in words and tables."""

from __future__ import annotations

from collections.abc import Sequence

from mmedrag.answers.agreement import Agreement, Judge
from mmedrag.evaluation.calibration import FITTED, PATIENTS, SETS, Lead, Trial, replied
from mmedrag.types import Reply
from mmedrag.views.section import Section, Table


def section_of(agreement: Agreement, trials: Sequence[Trial], leads: Sequence[Lead]) -> Section:
    """Replies on what was fitted on and on what was not, odds, and leads."""
    rows = tuple(
        (kind, f"{b.share:.0%}", str(b.of), f"{b.right / b.of:.0%}")
        for kind, bins in agreement.leads.items()
        for b in bins
    )
    counted = {split: sum(t.split == split for t in trials) for split in (FITTED, PATIENTS, SETS)}
    counts = ", ".join(f"{n} on {split}" for split, n in counted.items())
    return Section(
        name="agreement",
        title="How often the cases that look like an image are right",
        paper="",
        protocol=(
            f"Questions of yes or no: {counts}; {len(leads)} of the diagnosis. Each is asked with "
            "its own patient left out. Logistic regression on the similar cases' support and the "
            "base rate, yes and no weighed alike; thresholds where 96 % (normal studies: 99 %) of "
            "the replies to fitted patients are right; a reply that is right for less than 92 % of "
            "patients held out is not given."
        ),
        verdict=(
            f"Of a finding, {_in_words(agreement.presence)}; of a normal study, "
            f"{_in_words(agreement.normality)}. A lead is called clear from "
            f"{agreement.clear:.0%} on."
        ),
        tables=(_replies_table(agreement, trials), _odds_table(agreement), Table(
            "How often the first diagnosis is right, by the share of the cases that have it",
            ("query", "share from", "asked", "right"), rows)),
        notes=(),
        data={"trials": counted, "leads": len(leads)},
    )  # fmt: skip


def _replies_table(agreement: Agreement, trials: Sequence[Trial]) -> Table:
    rows = []
    for kind in ("presence", "normality"):
        judge: Judge = getattr(agreement, kind)
        for split in (FITTED, PATIENTS, SETS):
            of = [t for t in trials if t.kind == kind and t.split == split]
            given = [(replied(judge, t), t.affirmed) for t in of]
            yes = [affirmed for reply, affirmed in given if reply is Reply.YES]
            no = [not affirmed for reply, affirmed in given if reply is Reply.NO]
            wrong = len(yes) + len(no) - sum(yes) - sum(no)
            share = f"{wrong / max(1, len(yes) + len(no)):.1%}"
            rows.append((kind, split, str(len(of)), f"{sum(yes)} of {len(yes)}",
                         f"{sum(no)} of {len(no)}", share))  # fmt: skip
    header = ("asked about", "on", "asked", "yes right", "no right", "wrong replies")
    return Table("Replies by the similar cases", header, tuple(rows))


def _odds_table(agreement: Agreement) -> Table:
    rows = tuple(
        (kind, f"{b.share:.0%}", str(b.of), f"{b.right / b.of:.0%}")
        for kind in ("presence", "normality")
        for b in getattr(agreement, kind).odds
    )
    header = ("asked about", "probability from", "asked", "had it")
    return Table("How many had it, on patients held out", header, rows)


def _in_words(judge: Judge) -> str:
    yes = "never said" if judge.yes > 1.0 else f"right in {judge.right_yes:.0%}"
    no = "never said" if judge.no < 0.0 else f"right in {judge.right_no:.0%}"
    return f"yes is {yes} and no {no}"

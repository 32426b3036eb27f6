"""The agreement of similar cases in words and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmedrag.answers.agreement import Absence, Agreement, Judge
from mmedrag.evaluation.calibration import (
    EXPECTED,
    FAR,
    FITTED,
    PATIENTS,
    SETS,
    STRANGERS,
    SURE,
    TRUSTED,
    Lead,
    Trial,
    halves,
    noes,
)
from mmedrag.types import Reply
from mmedrag.views.section import Section, Table


def section_of(agreement: Agreement, trials: Sequence[Trial], leads: Sequence[Lead]) -> Section:
    """Replies on what was fitted on and on what was not, odds, and leads."""
    splits = (FITTED, PATIENTS, SETS)
    counted = {split: sum(t.split == split for t in trials) for split in splits}
    clear = ", ".join(kind for kind, judge in agreement.leads.items() if judge.yes <= 1.0)
    return Section(
        name="agreement",
        title="How often the cases that look like an image are right",
        paper="",
        protocol=_protocol(agreement, counted, len(leads)),
        verdict=(
            f"Of a finding, {_in_words(agreement.presence, agreement.absence)}; of a normal study, "
            f"{_in_words(agreement.normality, agreement.abnormality)}. Clear leads: "
            f"{clear or 'none'}."
        ),
        tables=(
            _replies_table(agreement, trials),
            _silence_table(trials, "presence", max(agreement.known, agreement.absence.nearest)),
            _silence_table(
                trials, "normality", max(agreement.known, agreement.abnormality.nearest)
            ),
            _leads_table(agreement, leads),
            _odds_table(agreement),
        ),
        notes=(),
        data={"trials": counted, "leads": len(leads)},
    )


def _protocol(agreement: Agreement, counted: Mapping[str, int], leads: int) -> str:
    counts = ", ".join(f"{n} on {split}" for split, n in counted.items())
    share = agreement.absence.expected
    least = "a share" if share > 1 else f"{share:.0%}"
    return (
        f"Questions of yes or no: {counts}; {leads} of the diagnosis, side or grade. Each "
        "is asked with its own patient left out, and once more with the whole source of its image "
        "left out. Logistic regression on the similar cases' support and the base rate, yes and no "
        f"weighed alike; thresholds where {SURE['presence']:.0%} (normal studies: "
        f"{SURE['normality']:.0%}, leads: {SURE['lead']:.0%}) of the replies to fitted patients "
        f"are right; a reply that is right for less than {TRUSTED['presence']:.0%} (normal "
        f"studies: {TRUSTED['normality']:.0%}, leads: {TRUSTED['lead']:.0%}) of patients held out "
        "is not given. No of a finding also where next to no similar case affirms it and at least "
        f"{least} of the records of their sources do: the least share at which "
        f"{SURE['absence']:.0%} of the noes to fitted patients are right, in both halves of the "
        "sets (every other by name) and with the source left out, given where "
        f"{TRUSTED['absence']:.0%} are for patients held out; no of a normal study in the same "
        f"way. Images farther from all cases than {1 - FAR:.0%} of the fitted ones get no such no."
    )


def _replies_table(agreement: Agreement, trials: Sequence[Trial]) -> Table:
    rows = []
    for kind in ("presence", "normality"):
        for split in (FITTED, PATIENTS, SETS, *STRANGERS.values()):
            of = [t for t in trials if t.kind == kind and t.split == split]
            given = [
                (agreement.reply(t.support, normality=kind == "normality")[0], t.affirmed)
                for t in of
            ]
            yes = [affirmed for reply, affirmed in given if reply is Reply.YES]
            no = [not affirmed for reply, affirmed in given if reply is Reply.NO]
            wrong = len(yes) + len(no) - sum(yes) - sum(no)
            share = f"{wrong / max(1, len(yes) + len(no)):.1%}"
            rows.append((kind, split, str(len(of)), f"{sum(yes)} of {len(yes)}",
                         f"{sum(no)} of {len(no)}", share))  # fmt: skip
    header = ("asked about", "on", "asked", "yes right", "no right", "wrong replies")
    return Table("Replies by the similar cases", header, tuple(rows))


def _silence_table(trials: Sequence[Trial], kind: str, nearest: float) -> Table:
    """What silence would say at each share: right and wrong noes, of all that were asked."""
    of_kind = [t for t in trials if t.kind == kind]
    fitted = [t for t in of_kind if t.split == FITTED]
    columns = [fitted, *halves(fitted)]
    others = (PATIENTS, SETS, *STRANGERS.values())
    columns += [[t for t in of_kind if t.split == split] for split in others]
    rows = []
    for expected in EXPECTED:
        given = [noes(Absence(expected, 0.5, nearest), column) for column in columns]
        wrong = [sum(t.affirmed for t in column) for column in given]
        rows.append((f"{expected:.0%}", *(f"{len(g) - w} / {w}"
                                          for g, w in zip(given, wrong, strict=True))))  # fmt: skip
    rows.append(("asked", *(f"{sum(not t.affirmed for t in c)} / {sum(t.affirmed for t in c)}"
                            for c in columns)))  # fmt: skip
    header = ("expected in", FITTED, "one half of the sets", "the other", *others)
    return Table(f"No by silence ({kind}), right / wrong, at each share", header, tuple(rows))


def _leads_table(agreement: Agreement, leads: Sequence[Lead]) -> Table:
    rows = []
    for kind, judge in agreement.leads.items():
        for split in (FITTED, PATIENTS, SETS):
            of = [x for x in leads if x.kind == kind and x.split == split]
            clear = [x.right for x in of if judge.probability(x.support) >= judge.yes]
            rows.append((kind, split, str(len(of)), f"{sum(x.right for x in of)} of {len(of)}",
                         f"{sum(clear)} of {len(clear)}"))  # fmt: skip
    header = ("lead of", "on", "asked", "right at all", "clear and right")
    return Table("The first diagnosis, side or grade", header, tuple(rows))


def _odds_table(agreement: Agreement) -> Table:
    rows = tuple(
        (kind, f"{b.share:.0%}", str(b.of), f"{b.right / b.of:.0%}")
        for kind in ("presence", "normality")
        for b in getattr(agreement, kind).odds
    ) + tuple(
        (f"lead of {kind}", f"{b.share:.0%}", str(b.of), f"{b.right / b.of:.0%}")
        for kind, judge in agreement.leads.items()
        for b in judge.odds
    )
    header = ("asked about", "probability from", "asked", "had it")
    return Table("How many had it, on patients held out", header, rows)


def _in_words(judge: Judge, silence: Absence) -> str:
    yes = "never said" if judge.yes > 1.0 else f"right in {judge.right_yes:.0%}"
    no = "never said" if judge.no < 0.0 else f"right in {judge.right_no:.0%}"
    by_silence = f", by silence in {silence.right:.0%}" if silence.expected <= 1 else ""
    return f"yes is {yes} and no {no}{by_silence}"

"""Reports for the phantoms: a small grammar over the wording in :mod:`mmedrag.phantoms.phrases`.

A report affirms every finding that is present (some with a hedge), rules out some of those that are
absent, and never affirms an absent one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from mmedrag.phantoms import phrases
from mmedrag.phantoms.findings import Finding, View

_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")


def expand(rng: np.random.Generator, template: str, slots: Mapping[str, str]) -> str:
    """One sentence of a template: ``{a|b}`` chooses, ``<slot>`` is filled in.

    Alternatives may be nested and may be empty.
    """
    while _ALTERNATIVES.search(template):
        template = _ALTERNATIVES.sub(lambda m: _choose(rng, m.group(1).split("|")), template)
    for name, value in slots.items():
        template = template.replace(f"<{name}>", value)
    return re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", template)


def _choose(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _slots(rng: np.random.Generator, finding: Finding) -> dict[str, str]:
    """Values for the slots of a sentence on a finding; ``short`` and ``at`` hold slots."""
    scale = phrases.SCALE.get(finding.name, "degree")
    much = _choose(rng, phrases.MUCH[scale][finding.severity or "moderate"])
    side, where = finding.side or "", finding.location or ""
    return {
        "short": phrases.SHORT.get(finding.name, "<much> <term><at>"),
        "term": expand(rng, phrases.TERM[finding.name], {}),
        "at": phrases.AT.get(finding.name, ""),
        "where_ly": f"{where}ly", "where": where, "side": side, "Side": _capital(side),
        "much": much, "Much": _capital(much),
    }  # fmt: skip


def _view_slots(view: View) -> dict[str, str]:
    side = view.side or ""
    eye = {"right": "OD", "left": "OS"}.get(side, "")
    return {"side": side, "Side": _capital(side), "part": view.region, "eye": eye}


def _affirm(rng: np.random.Generator, finding: Finding) -> str:
    possible = finding.certainty == "possible"
    template = phrases.POSSIBLE if possible else phrases.AFFIRMED[finding.name]
    return _capital(expand(rng, template, _slots(rng, finding)))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _denials(rng: np.random.Generator, absent: Sequence[Finding]) -> list[str]:
    """Sentences that rule out some of the absent findings: none, one or two of them."""
    if not absent or rng.random() < 0.12:
        return []
    count = int(rng.integers(1, len(absent) + 1))
    chosen = [absent[i] for i in rng.permutation(len(absent))[:count]]
    names = [expand(rng, phrases.TERM[f.name], {}) for f in chosen]
    cut = 2 if len(names) > 3 and rng.random() < 0.6 else len(names)
    groups = [g for g in (names[:cut], names[cut:]) if g]
    return [expand(rng, _choose(rng, phrases.DENIED), {"list": _listed(g)}) for g in groups]


def _impression(rng: np.random.Generator, present: Sequence[Finding]) -> str:
    """The closing line: the findings again in short, or that there is nothing."""
    if not present:
        return _choose(rng, ("Normal study", "Nothing abnormal", "Within normal limits"))
    short = []
    for finding in present:
        hedge = "possible " if finding.certainty == "possible" else ""
        short.append(expand(rng, f"{hedge}<short>", _slots(rng, finding)))
    return _capital("; ".join(short))


def _sentences(
    rng: np.random.Generator, view: View, findings: Sequence[Finding]
) -> tuple[list[str], list[Finding]]:
    present = [f for f in findings if f.present]
    body = [_affirm(rng, f) for f in present]
    body = [body[i] for i in rng.permutation(len(body))]
    if not present:
        body.append(expand(rng, f"{{{phrases.NORMAL[view.kind]}}}", _view_slots(view)))
    body += _denials(rng, [f for f in findings if not f.present])
    body.append(expand(rng, f"{{{phrases.EXTRA[view.kind]}}}", {}))
    return [s for s in body if s], present


def report(
    rng: np.random.Generator, view: View, findings: Sequence[Finding], course: str = ""
) -> str:
    """A report on one image.

    Args:
        rng: the source of the wording.
        view: what is looked at.
        findings: those present and those absent (``Finding.present``).
        course: ``improved``, ``worsened`` or ``unchanged`` for a follow-up, else empty.
    """
    body, present = _sentences(rng, view, findings)
    if course:
        word = _choose(rng, phrases.COURSE[course])
        slots = {"course": word, "Course": _capital(word)}
        body.append(expand(rng, _choose(rng, phrases.FOLLOW_UP), slots))
    opening = expand(rng, f"{{{phrases.OPENING[view.kind]}}}", _view_slots(view))
    text = opening + " ".join(f"{_capital(s)}." for s in body)
    if rng.random() < 0.35:
        closing = _choose(rng, ("Impression", "Conclusion", "IMPRESSION", "Summary"))
        text += f" {closing}: {_impression(rng, present)}."
    return text

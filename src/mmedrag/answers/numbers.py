"""How many cases of the searched corpus have something, of all and of those that have another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from mmedrag.answers.associations import MOST
from mmedrag.answers.differential import UNNAMED
from mmedrag.answers.statements import PHRASE
from mmedrag.answers.support import is_whole
from mmedrag.entailment import NORMAL, with_kinds
from mmedrag.filters import both, quoted
from mmedrag.protocols import CorpusStatistics, Ontology
from mmedrag.text.quotations import label
from mmedrag.types import (
    Assertion,
    Brief,
    Count,
    Criterion,
    Prevalence,
    Question,
    QuestionKind,
)


def group_of(concept: str, ontology: Ontology) -> Collection[str]:
    """What is counted as a concept: its kinds with it."""
    if ":" in concept and concept.startswith((UNNAMED, NORMAL, PHRASE)):
        return (concept,)
    return with_kinds(concept, ontology)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Counts over the cases that a search for a question could find.

    The methods raise :class:`~mmedrag.errors.FilterError` where some reports are not read yet.
    """

    corpus: CorpusStatistics
    ontology: Ontology

    def rates(self, question: Question, concepts: Iterable[str]) -> Mapping[str, Prevalence]:
        """How many cases affirm each concept, and how many rule it out."""
        groups = {concept: group_of(concept, self.ontology) for concept in concepts}
        return self.corpus.prevalence(question, groups)

    def within(self, question: Question, met: Iterable[Criterion]) -> Question:
        """The question asked of the cases alone that affirm, or else rule out, some concepts."""
        where = question.query.where
        for wanted in met:
            field = "affirms" if wanted.assertion is Assertion.AFFIRMED else "rules_out"
            where = both(where, f"{field} = {quoted(self.ontology.name(wanted.concept))}")
        return replace(question, query=replace(question.query, where=where))

    def beside_disease(self, brief: Brief, question: Question, disease: str, finding: str) -> Brief:
        """The brief with the base rates of a finding within the cases that affirm a disease.

        The rate of the disease itself stays that of the corpus.
        """
        counted = {c.concept for c in brief.claims if finding in (c.concept, c.asked)}
        having = Criterion(Assertion.AFFIRMED, disease)
        rates = self.rates(self.within(question, [having]), counted)
        claims = (replace(c, prevalence=rates.get(c.concept, c.prevalence)) for c in brief.claims)
        return replace(brief, claims=tuple(claims))

    def counted(self, question: Question, targets: Mapping[str, str]) -> tuple[Count, ...]:
        """How many cases have each finding; of several, how many that meet the others the last.

        Args:
            question: that asks how many.
            targets: terms by concept; without one, or where it asks so, normal studies are counted.
        """
        normality = question.intent is not None and question.intent.kind is QuestionKind.NORMALITY
        if normality or not targets:
            return (Count(NORMAL, "normal study", self.rates(question, [NORMAL])[NORMAL]),)
        names = {concept: label(term) for concept, term in targets.items()}
        rates = self.rates(question, names)
        counts = [Count(concept, name, rates[concept]) for concept, name in names.items()]
        *others, last = names
        if others:
            absent = {m.concept for m in question.mentions if m.assertion is Assertion.NEGATED}
            met = tuple(
                Criterion(Assertion.NEGATED if c in absent else Assertion.AFFIRMED, c, names[c])
                for c in others
            )
            rate = self.rates(self.within(question, met), [last])[last]
            counts.append(Count(last, names[last], rate, met))
        return tuple(counts)

    def associated(
        self, brief: Brief, question: Question, targets: Mapping[str, str]
    ) -> tuple[Count, ...]:
        """Of the cases that affirm what is asked about, how many affirm what those shown do."""
        others = {
            c.concept: c.term for c in brief.claims
            if c.assertion is Assertion.AFFIRMED and is_whole(c) and not c.asked
            and c.concept not in (*targets, NORMAL)
        }  # fmt: skip
        having = tuple(Criterion(Assertion.AFFIRMED, c, label(t)) for c, t in targets.items())
        rates = self.rates(self.within(question, having), others)
        counts = [Count(c, t, rates[c], having) for c, t in others.items() if rates[c].affirmed]
        return tuple(sorted(counts, key=lambda count: -count.prevalence.affirmed)[:MOST])

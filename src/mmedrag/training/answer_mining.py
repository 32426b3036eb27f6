"""Pairs of answers made by the pipeline from a casebase (RAG-PT, section 7).

``mmedrag train pairs`` is this module. Questions are posed and answered from the casebase
(:mod:`mmedrag.training.answer_questions`). The right answer words the brief, whose claims the
self-check has read again; wrong ones are falsified, are the right answer to evidence that was
changed since, were written by a model, or were judged by a reader of the page. The judge reads
both, and a pair of which the better answer has a fault, or the worse has none, is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mmedrag.answers.chat import ChatGenerator
from mmedrag.answers.grounding import Fault, Judge
from mmedrag.answers.local_model import LocalGenerator
from mmedrag.assembly import load
from mmedrag.casebase.feedback import FeedbackFile
from mmedrag.datasets.corpus import patient_of
from mmedrag.datasets.splits import split_cases
from mmedrag.datasets.ties import find_ties
from mmedrag.definitions import Dictionary
from mmedrag.errors import CorpusError, QueryError
from mmedrag.locations import Location, shown
from mmedrag.progress import Progress, silent
from mmedrag.protocols import Generator
from mmedrag.stores import CaseDatabase
from mmedrag.training.answer_pairs import AnswerPair, Origin, Subset, counted
from mmedrag.training.answer_questions import Asker, Posed
from mmedrag.training.answer_texts import Term, worded, wrong_answers
from mmedrag.types import Case

QUESTIONS = 400
HELD_OUT = 0.2
"""The share of the patients that is measured on."""

TEMPERATURE = 0.8
"""Of the model's own answers."""

SAMPLES = 2
"""Answers that a model writes to each question."""


@dataclass(frozen=True, slots=True, eq=False)
class Mined:
    """The pairs, how many questions were asked, and what was left out and why."""

    pairs: tuple[AnswerPair, ...]
    questions: int
    left_out: Counter[str]

    def __str__(self) -> str:
        """The pairs by kind, then what was left out."""
        rows = [
            f"  {origin}, {fault}: {train} to learn from, {held_out} held out"
            for origin, fault, train, held_out in counted(self.pairs)
        ]
        left = [f"  left out, {why}: {n}" for why, n in sorted(self.left_out.items())]
        head = f"{len(self.pairs)} pairs of answers to {self.questions} questions"
        return "\n".join([head, *rows, *left])


def mine_answers(
    casebase: Location,
    *,
    questions: int = QUESTIONS,
    generator: Generator | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: Progress = silent,
) -> Mined:
    """Make pairs of answers of a casebase.

    Args:
        casebase: its path, or the URL of a database. Its reports are asked about, and what readers
            of the page thought of answers joins the pairs.
        questions: posed, of both parts together.
        generator: whose own answers are judged too.
        samples: answers that it writes to each question.
        seed: of every draw.
        progress: told how many more questions are done.

    Raises:
        CasebaseError: it cannot be opened.
        QueryError: there is no question to pose or no answer to write.
        CorpusError: its reports are of too few patients, or give no pairs.
        GenerationError: the generator cannot answer.
    """
    if questions < 1 or samples < 1:
        raise QueryError(f"{questions} questions and {samples} samples", "Give at least 1 of both.")
    with load(casebase) as rag:
        assert isinstance(rag.cases, CaseDatabase)
        assert isinstance(rag.definitions, Dictionary)
        cases = [replace(c, image=None) for c in rag.cases.cases() if c.text.strip()]
        asker = Asker(rag, rag.definitions, np.random.default_rng(seed))
        judge = Judge(rag.definitions, rag.definitions.concepts)
        miner = _Miner(asker, judge, generator, samples)
        subsets = _subsets(cases, seed)
        for subset, own in subsets.items():
            miner.mine(subset, own, round(questions * _SHARES[subset]), progress)
        miner.learn_from_readers(FeedbackFile(rag.cases.folder), subsets[Subset.TRAIN])
    counts = Counter(pair.subset for pair in miner.pairs)
    if len(counts) < len(Subset):
        raise CorpusError(
            f"{shown(casebase)} gives {len(miner.pairs)} pairs of answers, and none for one of the "
            "parts",
            "Ask more questions, or take a casebase with more reports.",
        )
    return Mined(tuple(miner.pairs), miner.posed, miner.left_out)


def sampled(generator: Generator) -> Generator:
    """The generator with some chance in what it writes, where it has a temperature."""
    if isinstance(generator, ChatGenerator | LocalGenerator):
        return replace(generator, temperature=TEMPERATURE)
    return generator


_SHARES = {Subset.TRAIN: 1 - HELD_OUT, Subset.HELD_OUT: HELD_OUT}


def _subsets(cases: Sequence[Case], seed: int) -> dict[Subset, list[Case]]:
    """The cases by part; patient, study, and equal long texts stand on one side."""
    if len({patient_of(case) for case in cases}) < 4:
        raise CorpusError(
            "The reports are of fewer than four patients", "Take a casebase with more of them."
        )
    rest, held_out = split_cases(cases, HELD_OUT, seed, find_ties(cases))
    return {Subset.TRAIN: rest, Subset.HELD_OUT: held_out}


@dataclass(slots=True, eq=False)
class _Miner:
    asker: Asker
    judge: Judge
    generator: Generator | None
    samples: int
    pairs: list[AnswerPair] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    posed: int = 0

    def mine(
        self, subset: Subset, cases: Sequence[Case], questions: int, progress: Progress
    ) -> None:
        """Pose so many questions of cases of one part, and keep what pairs they give."""
        index = self.asker.index(cases)
        read = self.asker.definitions.recognise([case.text for case in cases])
        terms = self.asker.terms(read)
        for number in range(questions):
            row = int(self.asker.random.integers(len(cases)))
            patient = patient_of(cases[row])
            if text := self.asker.posed(cases[row], read[row], number):
                searched = replace(index, patient=patient)
                self._keep(self.asker.ask(subset, text, searched, patient), terms)
            progress(1)

    def learn_from_readers(self, verdicts: FeedbackFile, cases: Sequence[Case]) -> None:
        """Answers that readers of the page called right or wrong, to questions in words."""
        if judged := _answers(verdicts):
            index = self.asker.index(cases)
            read = self.asker.definitions.recognise([case.text for case in cases])
            for text, by_verdict in judged.items():
                posed = self.asker.ask(Subset.TRAIN, text, index, "")
                if posed is not None:
                    self._judged(posed, by_verdict, self.asker.terms(read))

    def _keep(self, posed: Posed | None, terms: Sequence[Term]) -> None:
        if posed is None:
            self.left_out["no adequate evidence"] += 1
            return
        self.posed += 1
        right = worded(posed.question, posed.evidence)
        if not self._is_right(posed, right):
            self.left_out["no right answer"] += 1
            return
        self._add(posed, right, self._wrong(posed, right, terms), Origin.TEMPLATE)
        if (changed := self.asker.changed(posed)) is not None:
            now = worded(changed.question, changed.evidence)
            if self._is_right(changed, now):
                self._add(changed, now, [right], Origin.EVIDENCE)
        if self.generator is not None:
            written = [self._written(posed) for _ in range(self.samples)]
            good = next((text for text in written if self._is_right(posed, text)), right)
            self._add(posed, good, filter(None, written), Origin.SAMPLED)

    def _wrong(self, posed: Posed, right: str, terms: Sequence[Term]) -> Iterator[str]:
        return wrong_answers(posed.question, posed.evidence, right, terms, self.asker.random)

    def _written(self, posed: Posed) -> str:
        assert self.generator is not None
        return "".join(self.generator.generate(posed.question, posed.evidence)).strip()

    def _is_right(self, posed: Posed, text: str) -> bool:
        """Whether it has no fault and says something."""
        verdict = self.judge.of(text, posed.question, posed.evidence)
        return bool(text and (verdict.claims or posed.declined)) and verdict.fault is Fault.NONE

    def _add(self, posed: Posed, right: str, wrong: Iterable[str], origin: Origin) -> None:
        """A pair with each wrong answer that the judge calls wrong too."""
        for text in dict.fromkeys(wrong):
            fault = self.judge.of(text, posed.question, posed.evidence).fault
            if fault is Fault.NONE or text == right:
                self.left_out[f"{origin}: not wrong"] += 1
            else:
                self.pairs.append(posed.pair(right, text, str(fault), origin))

    def _judged(
        self, posed: Posed, by_verdict: dict[str, list[str]], terms: Sequence[Term]
    ) -> None:
        """Readers' right answers over their wrong ones; the template stands for what is absent."""
        template = worded(posed.question, posed.evidence)
        right = [text for text in by_verdict["right"] if self._is_right(posed, text)]
        right += [template] if not right and self._is_right(posed, template) else []
        if not right:
            self.left_out["readers: right answer no longer supported"] += 1
            return
        for text in by_verdict["wrong"]:
            if text != right[0]:
                fault = self.judge.of(text, posed.question, posed.evidence).fault
                name = "judged wrong" if fault is Fault.NONE else str(fault)
                self.pairs.append(posed.pair(right[0], text, name, Origin.FEEDBACK))
        if not by_verdict["wrong"]:
            wrong = wrong_answers(
                posed.question, posed.evidence, right[0], terms, self.asker.random
            )
            self._add(posed, right[0], wrong, Origin.FEEDBACK)


def _answers(verdicts: FeedbackFile) -> dict[str, dict[str, list[str]]]:
    """The judged answers by question and verdict; the last verdict on an answer counts."""
    last: dict[tuple[str, str], str] = {}
    for entry in verdicts.read():
        if entry.get("answer") and entry.get("question") and not entry.get("image"):
            last[str(entry["question"]), str(entry["answer"])] = str(entry["verdict"])
    by_question: dict[str, dict[str, list[str]]] = {}
    for (question, answer), verdict in last.items():
        of_question = by_question.setdefault(question, {"right": [], "wrong": []})
        of_question.setdefault(verdict, []).append(answer)
    return by_question

"""Two choices of stages on the questions of ``mmedrag eval order``, with paired intervals.

``python benchmarks/order_choices.py ../shared/data agreement learned`` compares rerankers of the
preset ``offline``. A choice is ``[PRESET:]RERANKER[+FOLDER]``, ``own`` the reranker of the preset
and the folder a reward model in place of the preset's: ``own own+build/reward``, ``offline:own
tuned:own``. Questions and grades are the same for every choice, for they come from the records
alone. The sets are those of ``recipes/paper.toml``; ``--part tune`` asks with patients to choose
settings on.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
import shipped_weights

from mmedrag.choices import reranker
from mmedrag.datasets.corpus import codes
from mmedrag.datasets.ties import set_name
from mmedrag.definitions import glossary
from mmedrag.evaluation.order import QUESTIONS, Retrieval, Subset, ask, sampled, scores, searched
from mmedrag.measures.bootstrap import Floats, paired_test
from mmedrag.pipeline import MMedRAG
from mmedrag.reward.checkpoint import load_reward

PAPER = Path(__file__).parents[1] / "recipes" / "paper.toml"
KEPT, RANKED = 2, 1


@dataclass(frozen=True, slots=True)
class Choice:
    """Stages by name; ``reward`` is a folder, or empty for the model of the preset."""

    preset: str
    reranker: str
    reward: str

    @classmethod
    def parse(cls, text: str) -> Choice:
        """``[PRESET:]RERANKER[+FOLDER]``."""
        stages, _, folder = text.partition("+")
        preset, _, name = stages.rpartition(":")
        return cls(preset or "offline", name, folder)

    def of(self, rag: MMedRAG) -> MMedRAG:
        """The system of the preset with these stages."""
        own = self.reranker == "own"
        chosen = rag if own else replace(rag, reranker=reranker(self.reranker))
        if not self.reward:
            return chosen
        encoder = rag.embedder.fingerprint
        ontology = glossary().concepts
        reward = load_reward(Path(self.reward), encoder=encoder, ontology=ontology)
        return replace(chosen, context_filter=reward)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a choice gave: nDCG@5 by question and station ``(n, 3)``, and each patient once."""

    named: list[tuple[str, str, str, str]]
    values: Floats
    once: Floats
    kept: Floats

    @classmethod
    def of(cls, retrievals: Sequence[Retrieval]) -> Outcome:
        """Of retrievals, whose contexts are not kept."""
        named = [
            (r.set_name, str(r.graded.asker.case.domain), r.graded.kind, r.patient)
            for r in retrievals
        ]
        kept = np.array([len(r.context.kept) for r in retrievals], np.float64)
        return cls(named, scores(retrievals), scores(retrievals, once=True), kept)


def outcomes(
    choices: Sequence[Choice], files: Sequence[Path], subset: Subset
) -> Iterator[tuple[Choice, Outcome]]:
    """Every choice on the same questions; a preset's casebase is made once."""
    for preset in dict.fromkeys(choice.preset for choice in choices):
        with searched(files, preset=preset, subset=subset) as (rag, corpus, asking):
            questions = sampled(asking, QUESTIONS)
            for choice in choices:
                if choice.preset == preset:
                    yield choice, Outcome.of(ask(choice.of(rag), questions, corpus))


def groups(named: Sequence[tuple[str, str, str, str]], unseen: set[str]) -> dict[str, np.ndarray]:
    """Rows by name of the group, ``(n,)`` each."""
    sets, domains, kinds, _ = (np.array(column) for column in zip(*named, strict=True))
    foreign = np.isin(sets, list(unseen))
    form = np.array([kind.partition(",")[0] for kind in kinds])
    rows = {
        "all questions": np.ones(len(named), np.bool_),
        "held-out patients": ~foreign,
        "held-out sets": foreign,
    }
    for names in (form, kinds, domains):
        rows |= {str(name): names == name for name in np.unique(names)}
    held_out = {f"held out: {name}": sets == name for name in sorted(unseen)}
    return rows | {name: some for name, some in held_out.items() if some.any()}


def difference(new: Floats, old: Floats, patients: np.ndarray) -> str:
    """With its interval."""
    test = paired_test(new, old, patients)
    return f"{test.difference:+.3f} ({test.interval[0]:+.3f} to {test.interval[1]:+.3f})"


def compare(old: Outcome, new: Outcome, unseen: set[str]) -> Iterator[str]:
    """The lines of a table in Markdown."""
    assert old.named == new.named, "other questions"
    patients = codes(who for *_, who in old.named)
    yield "| questions | n | ranked | | kept | | difference | ranked − | each patient once |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, rows in groups(old.named, unseen).items():
        means = [
            f"{outcome.values[rows, station].mean():.3f}"
            for station in (RANKED, KEPT)
            for outcome in (old, new)
        ]
        who = patients[rows]
        changes = [
            difference(b[rows, station], a[rows, station], who)
            for a, b, station in (
                (old.values, new.values, KEPT),
                (old.values, new.values, RANKED),
                (old.once, new.once, KEPT),
            )
        ]
        yield f"| {' | '.join([name, str(rows.sum()), *means, *changes])} |"


def main() -> None:
    """Ask, and print every choice beside the first."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data", type=Path, metavar="ROOT")
    options.add_argument("choices", nargs="+", type=Choice.parse, metavar="CHOICE")
    options.add_argument("--part", choices=("test", "tune"), default="test")
    given = options.parse_args()
    roles: Mapping[str, list[str]] = tomllib.loads(PAPER.read_text("utf-8"))["roles"]
    taught = [shipped_weights.records(given.data, name) for name in shipped_weights.REWARD_SETS]
    unseen = [given.data / Path(name).relative_to("../../shared/data") for name in roles["unseen"]]
    unseen = [] if given.part == "tune" else [file for file in unseen if file.exists()]
    files = [file for file in taught if file.exists()]
    first: Outcome | None = None
    for choice, outcome in outcomes(given.choices, [*files, *unseen], given.part):
        kept = outcome.kept.mean()
        print(f"\n{choice}: {kept:.1f} cases and definitions kept of a question", flush=True)
        if first is None:
            first = outcome
            continue
        for line in compare(first, outcome, {set_name(file) for file in unseen}):
            print(line, flush=True)


if __name__ == "__main__":
    main()

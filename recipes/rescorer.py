"""The weights of ``--reranker learned``: fitted to graded questions, judged on sets never seen.

Questions and grades are those of ``mmedrag eval order``. Patients on whom nothing is reported ask
to fit (part ``tune`` of the sets that the reward model learned from); the test patients of the same
sets, and whole sets that nobody learned from, ask to judge. ``python recipes/rescorer.py --data
../shared/data --into build/models/rescorer``, about ten minutes on two cores; ``--leave-out`` also
fits without each sixth of the sets in turn and judges on it, which is what it was designed by.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shipped_weights

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.datasets.corpus import codes, patient_of
from mmedrag.datasets.ties import set_name
from mmedrag.definitions import glossary
from mmedrag.evaluation.order import Subset, sampled, searched
from mmedrag.evaluation.order_questions import grade
from mmedrag.measures.bootstrap import interval, paired_test
from mmedrag.measures.ranking import ndcg_of_list
from mmedrag.ranking.rescorer import FORMS, KIND, LIST_FEATURES, form_of, list_features
from mmedrag.reward.pair_features import FEATURES, pair_features
from mmedrag.training.listwise import fit_order
from mmedrag.types import Case, Evidence

LESS = frozenset(
    {"sought_ruled_out", "excluded_affirmed", "normal_conflict", "laterality_conflict"}
    | {"finding_side_conflict"}
)
EITHER = frozenset({"evidence_has_image", "is_definition"})
"""Columns of which more may not raise the score, and that may do either; of the others more may not
lower it."""

DEPTH = 10
FOLDS = 6
PAPER = Path(__file__).with_name("paper.toml")


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A question's candidates: features ``(n, m)``, cosines and grades ``(n,)``, ideal grades.

    ``orders`` are the candidates in the orders that the pipeline gives them.
    """

    set_name: str
    patient: str
    form: str
    columns: np.ndarray
    cosines: np.ndarray
    grades: np.ndarray
    ideal: tuple[int, ...]
    orders: dict[str, list[int]]

    def ndcg(self, order: Sequence[int]) -> float:
        """nDCG@10 of an order of the candidates."""
        return ndcg_of_list([int(self.grades[i]) for i in order], self.ideal, DEPTH)

    def by(self, scores: np.ndarray) -> float:
        """nDCG@10 by falling scores."""
        return self.ndcg(np.argsort(-np.round(scores, 9), kind="stable").tolist())


def listed(paths: Sequence[Path], subset: Subset) -> list[Listed]:
    """The candidates of every question for which the corpus has a good case."""
    ontology, found = glossary().concepts, []
    with searched(paths, subset=subset) as (rag, corpus, asking):
        by_id = {facts.case.id: facts for facts in corpus}
        for asked in sampled(asking, 6):
            ideal = sorted((grade(asked, facts) for facts in corpus), reverse=True)[:DEPTH]
            if ideal[0] == 0:
                continue
            context = rag.retrieve(asked.query)
            cases = [e for e in context.gathered if isinstance(e.item, Case)]
            if not cases:
                continue
            pairs = pair_features(context.question, cases, ontology)
            found.append(
                Listed(
                    set_name=asked.asker.case.id.partition("/")[0],
                    patient=patient_of(asked.asker.case),
                    form=form_of(context.question),
                    columns=np.hstack([list_features(cases), pairs]),
                    cosines=np.array([e.similarity for e in cases]),
                    grades=np.array([grade(asked, by_id[e.item.id]) for e in cases]),
                    ideal=tuple(ideal),
                    orders={
                        "stage 1": list(range(len(cases))),
                        "default": _positions(context.ranked, cases),
                        "default, filtered": _positions(context.kept, cases),
                    },
                )
            )
    return found


def _positions(order: Sequence[Evidence], cases: Sequence[Evidence]) -> list[int]:
    place = {e.key: i for i, e in enumerate(cases)}
    return [place[e.key] for e in order if e.key in place]


def fitted(lists: Sequence[Listed]) -> dict[str, np.ndarray]:
    """Weights by form; a set counts as the square root of its questions."""
    weights, names = {}, (*LIST_FEATURES, *FEATURES)
    monotone = np.array([0 if n in EITHER else -1 if n in LESS else 1 for n in names])
    for form in FORMS:
        some = [one for one in lists if one.form == form]
        sizes = np.bincount(codes(one.set_name for one in some))
        shares = 1 / np.sqrt(sizes[codes(one.set_name for one in some)])
        weights[form] = fit_order(
            [one.columns for one in some],
            [one.grades for one in some],
            shares / shares.mean(),
            monotone,
        )
    return weights


def left_out(lists: Sequence[Listed]) -> np.ndarray:
    """nDCG@10 of every question by weights that have not seen its set, ``(n,)``."""
    fold = codes(one.set_name for one in lists) % FOLDS
    values = np.zeros(len(lists))
    for out in range(FOLDS):
        weights = fitted([one for one, f in zip(lists, fold, strict=True) if f != out])
        for i in np.flatnonzero(fold == out):
            values[i] = lists[i].by(lists[i].columns @ weights[lists[i].form])
    return values


def judge(lists: Sequence[Listed], learned: np.ndarray, title: str) -> None:
    """Print what the learned order gains over cosine and over the default, by form."""
    who = codes(one.patient for one in lists)
    cosine = np.array([one.by(one.cosines) for one in lists])
    others = {
        name: np.array([one.ndcg(one.orders[name]) for one in lists])
        for name in ("stage 1", "default", "default, filtered")
    }
    for form in ("all", *FORMS):
        rows = np.array([form in ("all", one.form) for one in lists])
        if not rows.any():
            continue
        cells = [f"cosine {cosine[rows].mean():.3f}"]
        cells += [f"{name} {values[rows].mean():.3f}" for name, values in others.items()]
        low, high = interval(learned[rows, None], who[rows])[0]
        cells.append(f"learned {learned[rows].mean():.3f} ({low:.3f} to {high:.3f})")
        for name, values in (("cosine", cosine), ("default", others["default"])):
            test = paired_test(learned[rows], values[rows], who[rows])
            ends = f"{test.interval[0]:+.3f} to {test.interval[1]:+.3f}"
            cells.append(f"against {name} {test.difference:+.3f} ({ends})")
        print(f"{title}, {form}, n={rows.sum()}: {'; '.join(cells)}", flush=True)


def _present(root: Path, names: Collection[str]) -> list[Path]:
    files = [shipped_weights.records(root, name) for name in names]
    return [file for file in files if file.exists()]


def main() -> None:
    """Fit, write, and judge."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True, metavar="ROOT")
    options.add_argument("--into", type=Path, required=True, metavar="DIR")
    options.add_argument("--leave-out", action="store_true", help="judge on sets left out in turn")
    given = options.parse_args()
    files = _present(given.data, shipped_weights.REWARD_SETS)
    roles = tomllib.loads(PAPER.read_text("utf-8"))["roles"]
    unseen = [(PAPER.parent / name).resolve() for name in roles["unseen"]]
    unseen = [file for file in unseen if file.exists()]
    lists = listed(files, "tune")
    if given.leave_out:
        judge(lists, left_out(lists), "sets left out")
    weights = fitted(lists)
    write_checkpoint(
        given.into,
        Checkpoint(
            kind=KIND,
            tensors=weights,
            training_data=sorted({one.set_name for one in lists}),
            settings={"features": [*LIST_FEATURES, *FEATURES], "questions": len(lists)},
        ),
    )
    names = {set_name(file) for file in unseen}
    asked = listed([*files, *unseen], "test")
    parts: dict[str, Callable[[Listed], bool]] = {
        "held-out patients": lambda one: one.set_name not in names,
        "sets never seen": lambda one: one.set_name in names,
    }
    for title, belongs in parts.items():
        some = [one for one in asked if belongs(one)]
        learned = np.array([one.by(one.columns @ weights[one.form]) for one in some])
        judge(some, learned, title)


if __name__ == "__main__":
    main()

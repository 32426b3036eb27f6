"""Texts routed by head, by glossary, and by both: ``python benchmarks/text_routing.py RECORDS``.

Short terms come from ``mmedrag/evaluation/short_terms.jsonl``, in ten sets, each written
before its first run. Record files give up to 150 different English texts of their validation split;
the settings of the routing were chosen on every second of them ("even"), so that "odd" is unseen.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from mmedrag import presets
from mmedrag.definitions import glossary
from mmedrag.modality import FOR_TEXT, TrainedClassifier
from mmedrag.protocols import ModalityClassifier
from mmedrag.routing import ConceptClassifier
from mmedrag.types import Query, Routing

MOST = 150
"""Texts of one record file."""

Labelled = tuple[str, str]
"""A text, and the name of its domain."""


class NoHead:
    """Knows nothing of texts, so that the glossary decides alone."""

    def classify(self, queries: Sequence[Query], pictures: object = None) -> list[Routing]:
        """The same probabilities for every text."""
        even = FOR_TEXT.decide({"radiology": 1 / 3, "pathology": 1 / 3, "ophthalmology": 1 / 3}, "")
        return [Routing(even.scores, None, reason="text") for _ in queries]


def short_terms() -> dict[str, list[Labelled]]:
    """The ten sets of short terms and questions."""
    lines = (files("mmedrag.evaluation") / "short_terms.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {
        f"short terms, {name} set": [(r["text"], r["domain"]) for r in rows if r["set"] == name]
        for name in dict.fromkeys(r["set"] for r in rows)
    }


def reports(path: Path) -> list[Labelled]:
    """Different texts of the validation split, in a fixed random order."""
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    found = {
        r["text"]: r["domain"]
        for r in rows
        if r.get("split") == "val" and r.get("text") and r.get("lang", "en") == "en"
    }
    chosen = sorted(found.items())
    random.Random(0).shuffle(chosen)
    return chosen[:MOST]


def shares(classifier: ModalityClassifier, texts: Sequence[Labelled]) -> str:
    """What share is routed right, and what share wrong; the rest is searched everywhere."""
    decided = [r.decision for r in classifier.classify([Query(text=text) for text, _ in texts])]
    right = sum(d == domain for d, (_, domain) in zip(decided, texts, strict=True))
    wrong = sum(d not in (None, domain) for d, (_, domain) in zip(decided, texts, strict=True))
    return f"{right / len(texts):6.1%} / {wrong / len(texts):5.1%}"


def main() -> None:
    """Print right / wrong by set and classifier."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("records", type=Path, nargs="*", help="record files (JSONL)")
    both = presets.build("offline").classifier
    assert isinstance(both, ConceptClassifier)
    assert isinstance(both.trained, TrainedClassifier)
    arms = {
        "head": both.trained,
        "glossary": ConceptClassifier(NoHead(), glossary()),
        "both": both,
    }
    sets = short_terms()
    for path in parser.parse_args().records:
        texts = reports(path)
        if texts:
            sets[f"{path.parent.name}, even"], sets[f"{path.parent.name}, odd"] = (
                texts[::2],
                texts[1::2],
            )
    print(f"{'':34}{'n':>5}  " + "  ".join(f"{name:>14}" for name in arms))
    for name, texts in sets.items():
        row = "  ".join(shares(arm, texts) for arm in arms.values())
        print(f"{name:34}{len(texts):5}  {row}")


if __name__ == "__main__":
    main()

"""Find the cases that look most like an image, other patients only, and show why each is there.

Run it as it stands (it draws a small synthetic corpus), or give it your own:

    python examples/search_by_image.py my.casebase new.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import mmedrag
from mmedrag.datasets.records import read_records
from mmedrag.phantoms.corpus import generate


def synthetic(folder: Path) -> tuple[Path, Path, str]:
    """A casebase of synthetic cases, the image of one of them, and that case's patient."""
    records = generate(30, into=folder / "corpus")
    mmedrag.index(records, into=folder / "synthetic.casebase")
    case = next(c for c in read_records(records) if isinstance(c, mmedrag.Case) and c.image)
    assert case.image is not None
    return folder / "synthetic.casebase", case.image, case.patient_id


def main() -> None:
    """Print the ranked cases and the scores that each stage gave them."""
    with tempfile.TemporaryDirectory() as folder:
        patient = ""
        if len(sys.argv) > 2:
            casebase, image = Path(sys.argv[1]), Path(sys.argv[2])
        else:
            casebase, image, patient = synthetic(Path(folder))
        rag = mmedrag.load(casebase)
        where = f"patient_id != '{patient}'" if patient else None
        context = rag.retrieve(mmedrag.Query(image=image, where=where))
        print("searched:", context.question.routing.decision or "every domain")
        for evidence in context.kept:
            if isinstance(evidence.item, mmedrag.Case):
                reward = "" if evidence.reward is None else f", reward {evidence.reward:.2f}"
                print(f"[{evidence.key}] {evidence.name}: cosine {evidence.similarity:.2f}{reward}")
                print("    ", evidence.text.splitlines()[0][:90])


if __name__ == "__main__":
    main()

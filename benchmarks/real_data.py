"""Index real sets into one casebase, query it with validation cases, and draw what came out.

python benchmarks/real_data.py ../shared/data [build/real]

Prints the routing of validation images, how often the neighbours are of the right domain and body
region, and writes ``contact_sheet.png``: a dozen image, text and image+text queries (left) with
their five nearest cases of other patients.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image, ImageDraw

from mmedrag.assembly import assemble, create, dictionary, open_for_writing
from mmedrag.casebase.casebase import Casebase
from mmedrag.datasets.records import read_records
from mmedrag.imaging.decoding import open_image
from mmedrag.indexing import index
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Case, Evidence, Query
from mmedrag.views.console import report_text, table

SETS = ("medpix2", "odir5k", "patolojiatlasi", "openstax_figures", "covid_cxr")
TEXTS = (
    "brain MRI with a ring enhancing lesion",
    "H&E showing gastric adenocarcinoma",
    "severe non proliferative retinopathy",
    "bilateral infiltrates, no pleural effusion",
)
SIDE = 150


def main() -> None:
    """Index the sets, print the figures, draw the sheet."""
    data = Path(sys.argv[1])
    into = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("build/real")
    cases = [c for s in SETS for c in read_records(data / s / "records.jsonl")]
    usable = [c for c in cases if isinstance(c, Case) and c.image is not None]
    print(f"{len(usable)} cases with image of {', '.join(SETS)}")
    casebase, stages = open_or_create(into / "real.casebase")
    with casebase:
        started = perf_counter()
        report = index(usable, casebase, stages.embedder, stages.classifier)
        print(report_text(report, perf_counter() - started))
        rag = assemble(stages, casebase, dictionary())
        queries = sample(usable)
        print_routing(rag, queries)
        print_regions(rag, [c for c in queries if c.id.startswith("MPX")])
        draw(rag, queries, into / "contact_sheet.png")


def open_or_create(path: Path) -> tuple[Casebase, object]:
    """The casebase of an earlier run, or a new one, with its stages."""
    return open_for_writing(path) if path.exists() else create(path)


def sample(cases: Sequence[Case]) -> list[Case]:
    """Validation cases; of sets without any, every 20th case."""
    validated = {c.source for c in cases if c.split == "val"}
    kept = [c for c in cases if c.split == "val"]
    rest = [c for c in cases if c.source not in validated]
    return [*kept, *rest[::20]]


def neighbours(rag: MMedRAG, query: Query, patient: str) -> tuple[str, list[Evidence]]:
    """The routed domain and the cases of other patients in Standard RAG order."""
    context = rag.retrieve(query)
    found = [e for e in context.gathered if isinstance(e.item, Case)]
    others = [e for e in found if e.item.patient_id != patient or not patient]
    return str(context.question.routing.decision), others


def print_routing(rag: MMedRAG, queries: Sequence[Case]) -> None:
    """How many images are routed right, by domain."""
    rows = []
    for domain in sorted({str(c.domain) for c in queries}):
        mine = [c for c in queries if c.domain == domain]
        decisions = [rag.classifier.classify([Query(image=c.image)])[0].decision for c in mine]
        right = np.mean([d == domain for d in decisions])
        abstained = np.mean([d is None for d in decisions])
        rows.append((domain, len(mine), f"{right:.3f}", f"{abstained:.3f}"))
    print("\nRouting of the sampled images (their sets are known to the head)")
    print(table(("domain", "images", "right", "abstained"), rows))


def print_regions(rag: MMedRAG, queries: Sequence[Case]) -> None:
    """Body-region precision@10 over the whole casebase, other patients only."""
    found = []
    for case in queries:
        _, others = neighbours(rag, Query(image=case.image), case.patient_id)
        regions = [e.item.labels[1] if len(e.item.labels) > 1 else "" for e in others[:10]]
        found.append(np.mean([r == case.labels[1] for r in regions]))
    print(f"\nMedPix body region, image to image, precision@10: {np.mean(found):.3f} "
          f"({len(found)} validation images, gallery: the casebase, other patients)")  # fmt: skip


def draw(rag: MMedRAG, queries: Sequence[Case], into: Path) -> None:
    """The contact sheet: a query a row, and its five nearest cases."""
    picks = [c for d in ("radiology", "pathology", "ophthalmology")
             for c in [q for q in queries if q.domain == d][3:60:20][:3]]  # fmt: skip
    asked = [(Query(image=c.image), c.patient_id, f"image: {c.text}") for c in picks[:6]]
    asked += [(Query(text), "", f"text: {text}") for text in TEXTS]
    asked += [(Query(c.text, c.image), c.patient_id, f"both: {c.text}") for c in picks[6:9]]
    sheet = Image.new("RGB", (6 * SIDE + 20, len(asked) * (SIDE + 44)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (query, patient, words) in enumerate(asked):
        top = row * (SIDE + 44)
        routed, others = neighbours(rag, query, patient)
        if query.image is not None:
            paste(sheet, query.image, 0, top)
        told = "\n".join(textwrap.wrap(f"[{routed}] {words}", 26)[:3])
        pen.text((2, top + SIDE + 2), told, "navy")
        for column, e in enumerate(others[:5], 1):
            assert isinstance(e.item, Case)
            left = column * SIDE + 20
            if e.item.image is not None:
                paste(sheet, e.item.image, left, top)
            caption = f"{e.similarity:.2f} {e.item.text}"
            pen.text((left, top + SIDE + 2), "\n".join(textwrap.wrap(caption, 26)[:3]), "black")
    sheet.save(into)
    print(f"\nwrote {into}")


def paste(sheet: Image.Image, path: Path | str | bytes, left: int, top: int) -> None:
    """Put an image into a square of the sheet, as large as it fits."""
    picture = open_image(path).convert("RGB")
    picture.thumbnail((SIDE - 6, SIDE - 6))
    sheet.paste(picture, (left, top))


if __name__ == "__main__":
    main()

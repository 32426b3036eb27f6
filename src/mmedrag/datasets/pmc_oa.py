"""PMC-OA (Lin et al. 2023): figures of open-access articles with their captions.

``pmc_oa.jsonl`` (or ``train.jsonl``, ``valid.jsonl``, ``test.jsonl``) with the fields ``image``,
``caption``, ``pmcid``, ``url_name``, and a folder of images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mmedrag.datasets.records import BadRow, case_from
from mmedrag.datasets.rows import first_text, json_rows
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Domain, Problem

SPLITS = {"train": "train", "valid": "val", "test": "test"}
_IMAGE_FOLDERS = ("images", "caption_T060_filtered_top4_sep_v0_subfigures", "figures", ".")


def read_pmc_oa(path: Path, *, domain: Domain | None = None) -> Iterator[Case | Problem]:
    """Read PMC-OA: one case a figure; study and patient are the article, the best that is known.

    The figures are of every domain, so cases have none unless ``domain`` says so.

    Raises:
        CorpusError: where the folder holds none of the files.
    """
    files = _files(path) if path.is_dir() else [path]
    if not files:
        raise CorpusError(f"{path} holds no pmc_oa.jsonl", "Name the folder or the file itself.")
    lines: dict[str, tuple[Path, int]] = {}
    for file in files:
        folder = next(name for name in _IMAGE_FOLDERS if (file.parent / name).is_dir())
        for row in json_rows(file):
            if isinstance(row, Problem):
                yield row
                continue
            try:
                case = _case(row[1], file, folder, domain)
                first = lines.setdefault(case.id, (file, row[0]))
                if first != (file, row[0]):
                    raise BadRow(f"the image is that of {first[0].name}, line {first[1]}")
                yield case
            except BadRow as error:
                yield Problem(file, row[0], str(error))


def is_figure(row: Mapping[str, object], file: Path) -> bool:
    """Whether a file's row is a figure with its caption, and the file or an article's number PMC's.

    An image and a caption alone are any table's.
    """
    numbered = "pmcid" in row or "PMC_ID" in row or first_text(row, "image").startswith("PMC")
    return {"image", "caption"} <= row.keys() and (numbered or file.stem.startswith("pmc_oa"))


def _files(folder: Path) -> list[Path]:
    names = ("pmc_oa", "pmc_oa_beta", *SPLITS)
    return [file for name in names if (file := folder / f"{name}.jsonl").is_file()]


def _case(row: dict[str, object], file: Path, images: str, domain: Domain | None) -> Case:
    name, article = first_text(row, "image"), first_text(row, "pmcid", "PMC_ID")
    if not name:
        raise BadRow("no image")
    rest = {key: row[key] for key in row if key not in ("image", "caption", "pmcid", "PMC_ID")}
    fields = {
        "id": f"pmc_oa/{name.strip()}",
        "image": f"{images}/{name}",
        "text": row.get("caption"),
        "domain": domain,
        "patient_id": article,
        "study_id": article,
        "source": "PMC-OA",
        "split": SPLITS.get(file.stem, ""),
        "meta": {**rest, "text_kind": "caption"},
    }
    return case_from(fields, file.parent)

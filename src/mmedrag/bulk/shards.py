"""A shard: encoded cases as a Parquet file whose name holds its digest.

``000012-5f1c….parquet`` is shard 12 with the first 16 characters of its SHA-256: a file that was
cut or damaged does not answer to its name. Its metadata hold the digest of the piece it was made
of, the fingerprint of what recognised the terms, and the rows that could not become cases.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmedrag.durability import write_durably
from mmedrag.errors import CorpusError, MissingExtra
from mmedrag.preparation import Prepared
from mmedrag.types import Assertion, Case, Domain, Kind, Mention, Problem, Vector

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError:
    raise MissingExtra("Shards need pyarrow", 'pip install "mmedrag[parquet]"') from None

_NAME = re.compile(r"(\d{6,})-([0-9a-f]{16})\.parquet")
_HEADING = b"mmedrag-shard"
_REMEDY = "Delete it and run the same 'mmedrag encode' again: it is made anew."
_SIDE = 32  # of a preview
_FIELDS = (
    "id", "text", "domain", "modality", "patient_id", "study_id", "date", "diagnosis", "source",
    "licence", "split",
)  # fmt: skip
_MENTION = pa.struct(
    [
        ("text", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("concept", pa.string()),
        ("term", pa.string()),
        ("assertion", pa.string()),
        ("kind", pa.string()),
        ("sites", pa.list_(pa.string())),
    ]
)

_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in (*_FIELDS, "meta", "image", "content", "notice")),
        ("frame", pa.int32()),
        ("labels", pa.list_(pa.string())),
        ("thumbnail", pa.binary()),
        ("preview", pa.binary()),
        ("mentions", pa.list_(_MENTION)),
    ]
)


@dataclass(frozen=True, slots=True)
class Heading:
    """What a shard says of itself.

    The corpus and the digest of its piece, the recogniser of its terms, the problems among its
    rows.
    """

    source: int
    piece: str
    recogniser: str
    cases: int
    problems: tuple[Problem, ...] = ()


def shards_in(folder: Path, number: int | None = None) -> dict[int, Path]:
    """The shards of a folder by number: all, or that one."""
    pattern = "*.parquet" if number is None else f"{number:06d}-*.parquet"
    matches = ((_NAME.fullmatch(file.name), file) for file in sorted(folder.glob(pattern)))
    return {int(match[1]): file for match, file in matches if match is not None}


def write_shard(folder: Path, number: int, cases: Sequence[Prepared], heading: Heading) -> Path:
    """Write a shard durably, in the place of one of that number.

    Raises:
        OSError: the disk fails.
    """
    described = json.dumps(asdict(heading), default=str)
    table = pa.Table.from_pylist(list(map(_row, cases)), _SCHEMA)
    table = table.append_column("vector", _vectors(cases))
    sink = pa.BufferOutputStream()
    parquet.write_table(
        table.replace_schema_metadata({_HEADING: described}), sink, compression="zstd"
    )
    contents = sink.getvalue().to_pybytes()
    digest = hashlib.sha256(contents).hexdigest()[:16]
    path = folder / f"{number:06d}-{digest}.parquet"
    write_durably(path, contents)
    for other in folder.glob(f"{number:06d}-*.parquet"):
        if other != path:
            other.unlink(missing_ok=True)
    return path


def read_heading(path: Path) -> Heading | None:
    """What a shard says of itself, by its footer alone; ``None`` where it cannot be read."""
    try:
        return _heading(parquet.read_schema(path))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None


def read_shard(path: Path) -> Iterator[Prepared | Problem]:
    """The cases of a shard, then its problems.

    Raises:
        CorpusError: it is not what was written.
    """
    match = _NAME.fullmatch(path.name)
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror})", _REMEDY) from None
    if match is None or hashlib.sha256(contents).hexdigest()[:16] != match[2]:
        raise CorpusError(f"{path} does not hold what its name says", _REMEDY)
    try:
        table = parquet.read_table(pa.BufferReader(contents))
        heading = _heading(table.schema)
        for batch in table.to_batches(max_chunksize=256):
            column = batch.column("vector")
            vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
            rows = batch.drop_columns(["vector"]).to_pylist()
            for row, vector in zip(rows, vectors, strict=True):
                yield _prepared(row, vector.copy(), heading.recogniser)
    except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise CorpusError(f"{path} is no shard of this version ({error})", _REMEDY) from None
    yield from heading.problems


def _vectors(cases: Sequence[Prepared]) -> Any:  # noqa: ANN401 - pyarrow is untyped
    rows = [prepared.vector for prepared in cases if prepared.vector is not None]
    flat = np.concatenate(rows) if rows else np.empty(0, np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), len(rows[0]) if rows else 1)


def _row(prepared: Prepared) -> dict[str, Any]:
    case, notice = prepared.case, prepared.notice
    return {
        **{name: getattr(case, name) for name in _FIELDS},
        "domain": None if case.domain is None else str(case.domain),
        "meta": json.dumps(dict(case.meta), ensure_ascii=False),
        "image": None if case.image is None else str(case.image),
        "frame": case.frame,
        "labels": list(case.labels),
        "content": prepared.content,
        "notice": None if notice is None else notice.reason,
        "thumbnail": prepared.thumbnail,
        "preview": None if prepared.preview is None else prepared.preview.tobytes(),
        "mentions": None if prepared.mentions is None else list(map(asdict, prepared.mentions)),
    }


def _prepared(row: dict[str, Any], vector: Vector, recogniser: str) -> Prepared:
    image = None if row["image"] is None else Path(row["image"])
    case = Case(
        **{name: row[name] for name in _FIELDS if name != "domain"},
        domain=None if row["domain"] is None else Domain(row["domain"]),
        meta=json.loads(row["meta"]),
        image=image,
        frame=row["frame"],
        labels=tuple(row["labels"]),
    )
    notice, preview, mentions = row["notice"], row["preview"], row["mentions"]
    return Prepared(
        case,
        row["content"],
        thumbnail=row["thumbnail"],
        preview=None if preview is None else np.frombuffer(preview, np.uint8).reshape(_SIDE, _SIDE),
        notice=None if notice is None else Problem(image or Path(), None, notice, stored=True),
        vector=vector,
        mentions=None if mentions is None else tuple(map(_mention, mentions)),
        recogniser=recogniser,
    )


def _mention(row: dict[str, Any]) -> Mention:
    return Mention(
        **{
            **row,
            "assertion": Assertion(row["assertion"]),
            "kind": Kind(row["kind"]),
            "sites": tuple(row["sites"]),
        }
    )


def _heading(schema: pa.Schema) -> Heading:
    fields = json.loads((schema.metadata or {})[_HEADING])
    problems = tuple(Problem(**{**p, "file": Path(p["file"])}) for p in fields["problems"])
    return Heading(
        fields["source"], fields["piece"], fields["recogniser"], fields["cases"], problems
    )

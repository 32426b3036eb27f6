"""JSON objects that hold rows: lists of cases by split, or images and their captions.

R2Gen has IU X-Ray and MIMIC-CXR as ``{"train": [{"id": …, "report": …, "image_path": […]}], …}``;
COCO has ``images`` with ids and file names, and ``annotations`` with the captions of these ids.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from mmedrag.datasets.layout import SPLITS

_OF_COCO = ("images", "annotations", "categories", "info", "licenses", "type")
_HEAD = re.compile(rf'\s*\{{\s*"(?:(?:{"|".join(SPLITS)})"\s*:\s*\[|(?:{"|".join(_OF_COCO)})"\s*:)')
_OWN = {"id", "license"}  # numbers of COCO's own, which mean nothing elsewhere


def begins_annotated(text: str) -> bool:
    """Whether a text begins as such an object."""
    return _HEAD.match(text) is not None


def rows_of(value: object) -> list[object]:
    """The rows that an object holds, with their splits or captions; none where it is another."""
    if not isinstance(value, Mapping):
        return []
    if value and all(key in SPLITS and isinstance(rows, list) for key, rows in value.items()):
        return [
            {**row, "split": SPLITS[key]} if isinstance(row, Mapping) else row
            for key, rows in value.items()
            for row in rows
        ]
    return _captioned(value.get("images"), value.get("annotations"))


def _captioned(images: object, annotations: object) -> list[object]:
    """Images with all that is said of each; none where nothing is."""
    if not isinstance(images, list) or not isinstance(annotations, list):
        return []
    captions: dict[str, list[str]] = defaultdict(list)
    for annotation in annotations:
        if isinstance(annotation, Mapping) and isinstance(annotation.get("caption"), str):
            captions[str(annotation.get("image_id"))].append(annotation["caption"].strip())
    return [_image(image, captions) for image in images] if captions else []


def _image(image: object, captions: Mapping[str, list[str]]) -> object:
    if not isinstance(image, Mapping):
        return image
    kept = {name: value for name, value in image.items() if name not in _OWN}
    said = "\n".join(captions.get(str(image.get("id")), []))
    return {**kept, "caption": said} if said else kept

"""Names of one modality: a table's "X-ray" and a header's DX are taken in the same way."""

from __future__ import annotations

_NAMES = {
    "x-ray": "xray x-rays radiograph radiography rx cr dx",
    "ct": "cat tc tac computed-tomography",
    "mri": "mr rm magnetic-resonance magnetic-resonance-imaging",
    "ultrasound": "us usg sonography ultrasonography echography",
    "pet": "pt",
    "mammography": "mg mammogram",
}
_CALLED = {name: modality for modality, names in _NAMES.items() for name in names.split()}


def same_name(modality: str) -> str:
    """One name for all names of a modality; one that is not known is its own, in lower case."""
    name = "-".join(modality.lower().replace("_", " ").replace("-", " ").split())
    return _CALLED.get(name, name)

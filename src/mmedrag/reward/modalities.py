"""The imaging methods that a text names, in families: "CXR" and "chest radiograph" are one."""

from __future__ import annotations

import re

from mmedrag.remembering import remembered

_FAMILIES = {
    "ct": r"ct|cect|ncct|hrct|cta|computed tomograph\w*|cat scan",
    "mri": r"mri?|mra|flair|dwi|magnetic resonance",
    "radiograph": r"x[- ]?rays?|cxr|radiographs?|plain films?|chest films?",
    "ultrasound": r"ultrasounds?|us|sonogra\w*|echocardiogra\w*",
    "fundus": r"fundus|fundoscop\w*|ophthalmoscop\w*",
    "angiography": r"ffa|fluorescein angiogra\w*",
    "oct": r"oct|optical coherence tomograph\w*",
    "microscopy": r"histolog\w*|histopatholog\w*|microscop\w*|micrographs?|h ?& ?e|cytolog\w*",
    "smear": r"smears?",
    "gross": r"gross|macroscop\w*",
}
_PATTERN = re.compile(
    r"(?<![^\W_])(?:" + "|".join(f"(?P<{k}>{v})" for k, v in _FAMILIES.items()) + r")(?![^\W_])",
    re.IGNORECASE,
)


@remembered(1 << 12)
def modalities(text: str) -> frozenset[str]:
    """The families that a text, or the modality of a case, names."""
    return frozenset(match.lastgroup or "" for match in _PATTERN.finditer(text))

"""Kinds of concepts (:class:`~mmedrag.types.Kind`), from what each source calls them.

Sources say what a term is in words of their own: UMLS by semantic types, MeSH by trees, OBO by
namespaces, RadLex by the class at the top of its branch. Whatever says nothing gets the kind of its
nearest ancestor that does, and in the end that of its last word ("silver stain").
"""

from __future__ import annotations

import re

from mmedrag.types import Kind

_NAMED: dict[Kind, tuple[str, ...]] = {
    Kind.FINDING: (
        "finding", "sign", "observation", "imaging observation", "clinical finding",
        "pathophysiologic finding", "imaging sign", "human_phenotype", "phenotypic abnormality",
        "acquired abnormality", "anatomical abnormality", "laboratory or test result",
        "pathologic function", "phenotype", "abnormality",
    ),
    Kind.DISEASE: (
        "disease", "disorder", "diagnosis", "disease_ontology", "mondo", "disease or syndrome",
        "neoplastic process", "congenital abnormality", "injury or poisoning",
        "mental or behavioral dysfunction", "cell or molecular dysfunction",
        "experimental model of disease", "disease or disorder", "neoplasm",
    ),
    Kind.SYMPTOM: ("symptom", "sign or symptom", "clinical history", "symptoms"),
    Kind.NORMAL: ("normal", "normal study", "normality", "no abnormality"),
    Kind.ANATOMY: (
        "anatomy", "anatomical entity", "anatomical structure", "uberon", "fma", "cell",
        "tissue", "body part, organ, or organ component", "body location or region",
        "cellular component", "body space or junction", "body system", "embryonic structure",
        "body substance", "cl",
        "fully formed anatomical structure", "immaterial anatomical entity", "cell component",
        "material anatomical entity", "anatomically-related entity", "anatomy_metaclass",
    ),
    Kind.TECHNIQUE: (
        "technique", "imaging", "imaging modality", "modality", "diagnostic procedure",
        "imaging procedure", "laboratory procedure", "imaging technique", "examination",
    ),
    Kind.PROCEDURE: (
        "procedure", "treatment", "therapeutic or preventive procedure", "operation", "surgery",
        "health care activity", "intervention",
    ),
    Kind.STAIN: ("stain", "staining", "marker", "immunostain", "immunohistochemical marker"),
    Kind.DEVICE: (
        "device", "medical device", "implantable device", "implant", "equipment", "hardware",
        "drug delivery device", "research device", "manufactured object", "foreign body",
    ),
    Kind.MEASUREMENT: (
        "measurement", "score", "grade", "stage", "scale", "quantitative concept",
        "clinical attribute", "organism attribute", "quantity",
    ),
    Kind.OTHER: (
        "other", "substance", "drug", "organism", "qualitative concept", "radlex descriptor",
        "non-anatomical substance", "property", "process", "report", "report component",
        "functional concept", "spatial concept", "temporal concept", "intellectual product",
    ),
}  # fmt: skip
_BY_NAME = {name: kind for kind, names in _NAMED.items() for name in names}

# MeSH trees, by the longest that fits: National Library of Medicine, "MeSH Tree Structures".
_BY_TREE = {
    "A": Kind.ANATOMY,
    "B": Kind.OTHER,
    "C": Kind.DISEASE,
    "C23.550": Kind.FINDING,
    "C23.888": Kind.SYMPTOM,
    "D": Kind.OTHER,
    "E01": Kind.TECHNIQUE,
    "E02": Kind.PROCEDURE,
    "E03": Kind.PROCEDURE,
    "E04": Kind.PROCEDURE,
    "E05": Kind.TECHNIQUE,
    "E06": Kind.PROCEDURE,
    "E07": Kind.DEVICE,
    "F03": Kind.DISEASE,
}

# What a term is by its last word, for those of whom nobody says it.
_BY_ENDING = [
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in [
        (r"\bstain(?:ing)?s?$", Kind.STAIN),
        (r"(?:graphy|grams?|scopy|imaging|tomography|\bscans?|ultrasound|sequence)$",
         Kind.TECHNIQUE),
        (r"(?:ectomy|otomy|ostomy|plasty|pexy|biopsy|surgery|injection)$", Kind.PROCEDURE),
        (r"\b(?:catheter|stent|pacemaker|prosthesis|implant|tube|graft|drain)$", Kind.DEVICE),
        (r"\b(?:ratio|score|index|grade|stage|thickness|volume)$", Kind.MEASUREMENT),
    ]
]  # fmt: skip


def kind_of(text: str, name: str = "") -> str:
    """The kind for what a source says of a term (several, by ``;``, are tried in order).

    Empty where it says nothing that is understood and the term's own name is none of those that
    stand at the top of an ontology ("anatomical entity").
    """
    for piece in (*text.split(";"), name):
        if kind := _BY_NAME.get(piece.strip().lower().replace("_", " ")):
            return kind
        if kind := _BY_NAME.get(piece.strip().lower()):
            return kind
    return ""


def kind_of_tree(number: str) -> str:
    """The kind of a MeSH tree number such as ``C08.528``; empty for trees of no interest here."""
    fits = [tree for tree in _BY_TREE if number.startswith(tree)]
    return _BY_TREE[max(fits, key=len)] if fits else ""


def kind_by_ending(name: str) -> Kind:
    """The kind that the last word of a name gives it; a finding where it gives none."""
    return next((kind for pattern, kind in _BY_ENDING if pattern.search(name)), Kind.FINDING)

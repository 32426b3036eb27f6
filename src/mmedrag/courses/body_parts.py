"""Parts of the body that are examined together: a chest film shows pleura, heart and ribs alike.

Whether two studies can be compared is asked of the part, not of the organ: a report on a
pneumothorax and one on the heart are both on the chest. Tissues that are everywhere (bone, skin,
vessels) are of no part.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmedrag.types import Case

_ORGANS = {
    "head": "brain skull meninges cerebellum brainstem pituitary_gland paranasal_sinus mandible "
    "mastoid_air_cells inner_ear face tongue head salivary_gland orbit",
    "eye": "eye retina cornea choroid optic_disc macula iris vitreous conjunctiva eyelid lens "
    "pupil anterior_chamber optic_nerve lacrimal_gland sclera uvea",
    "neck": "thyroid_gland parathyroid_gland pharynx larynx neck",
    "chest": "lung heart aorta chest pleura bronchus mediastinum pericardium diaphragm trachea rib "
    "sternum pulmonary_artery costophrenic_angle hilum superior_vena_cava oesophagus clavicle "
    "thorax",
    "breast": "breast axilla",
    "abdomen": "kidney gastrointestinal_tract abdomen bowel stomach liver colon pancreas "
    "urinary_tract gallbladder bile_duct adrenal_gland peritoneum spleen ureter retroperitoneum "
    "rectum appendix small_bowel portal_vein uterus ovary cervix prostate urinary_bladder testis "
    "fallopian_tube pelvis placenta endometrium scrotum fetus",
    "spine": "spine spinal_cord vertebra intervertebral_disc cspine lspine tspine",
    "limbs": "knee shoulder radius_of_the_forearm ankle elbow hip femur wrist tibia humerus "
    "scapula hand foot arm leg extremity",
}
_BODY_PART = {
    organ.replace("_", " "): body_part
    for body_part, organs in _ORGANS.items()
    for organ in organs.split()
}
WHOLES = frozenset(
    {"chest", "head", "eye", "neck", "breast", "abdomen", "spine", "brain", "retina"}
)
"""Regions whose normality is that of a whole examination: "normal chest radiograph"."""

_EXAMINED = ("BodyPartExamined", "body_part")
"""Fields of ``meta`` that name the part themselves."""


def body_parts_of(regions: Iterable[str], cases: Iterable[Case] = ()) -> frozenset[str]:
    """The parts of the body that regions, by their names, and cases are of; empty where unknown."""
    named = [str(case.meta.get(field) or "").lower() for case in cases for field in _EXAMINED]
    return frozenset(_BODY_PART[name] for name in (*regions, *named) if name in _BODY_PART)

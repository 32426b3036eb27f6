"""The wording of the phantoms' reports: alternatives in ``{a|b}``, slots in ``<angle brackets>``.

Slots: ``<side>`` and ``<Side>``, ``<where>`` (location), ``<much>`` (a word for the severity),
``<part>``, ``<eye>`` (OD or OS). All sentences are our own.
"""

from __future__ import annotations

from collections.abc import Mapping

MUCH: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "size": {
        "mild": ("small", "subtle"),
        "moderate": ("moderate", "moderate-sized", "medium-sized"),
        "severe": ("large", "sizeable", "prominent"),
    },
    "degree": {
        "mild": ("mild", "slight", "early"),
        "moderate": ("moderate", "appreciable"),
        "severe": ("severe", "marked", "pronounced"),
    },
    "line": {
        "mild": ("faint", "subtle", "barely visible"),
        "moderate": ("distinct", "clearly visible", "moderate"),
        "severe": ("prominent", "marked", "obvious"),
    },
    "number": {
        "mild": ("a few", "scattered", "occasional"),
        "moderate": ("several", "multiple", "a moderate number of"),
        "severe": ("numerous", "many", "abundant"),
    },
}
"""Words for a severity, by the scale that a finding is measured on."""

SCALE: Mapping[str, str] = {
    "pleural effusion": "size", "pneumothorax": "size", "nodule": "size", "mass": "size",
    "lytic lesion": "size", "hairline fracture": "line", "haemorrhages": "number",
    "hard exudates": "number", "cotton wool spots": "number", "drusen": "number",
    "target cells": "number", "sickle cells": "number", "mitotic figures": "number",
}  # fmt: skip
"""The scale of each finding; ``degree`` where it is not listed."""

TERM: Mapping[str, str] = {
    "consolidation": "{consolidation|airspace consolidation|consolidation}",
    "pleural effusion": "{pleural effusion|effusion}",
    "pneumothorax": "pneumothorax",
    "cardiomegaly": "{cardiomegaly|cardiac enlargement}",
    "nodule": "{pulmonary nodule|lung nodule|nodule}",
    "mass": "{lung mass|pulmonary mass|mass}",
    "hairline fracture": "{hairline fracture|undisplaced hairline fracture|hairline fracture line}",
    "displaced fracture": "{displaced fracture|displaced oblique fracture}",
    "lytic lesion": "{lytic lesion|osteolytic lesion|lytic bone lesion}",
    "adenocarcinoma": "adenocarcinoma",
    "necrosis": "{necrosis|tumour necrosis}",
    "inflammation": "{inflammation|lymphocytic infiltrate|chronic inflammation}",
    "mitotic figures": "{mitotic figures|mitoses}",
    "target cells": "{target cells|codocytes (target cells)}",
    "sickle cells": "{sickle cells|sickled red cells|drepanocytes (sickle cells)}",
    "hypochromia": "{hypochromia|hypochromia of the red cells}",
    "haemorrhages": "{haemorrhages|retinal haemorrhages|hemorrhages|retinal hemorrhages}",
    "hard exudates": "hard exudates",
    "cotton wool spots": "{cotton wool spots|cotton-wool spots}",
    "drusen": "drusen",
    "disc swelling": "{disc swelling|optic disc swelling|disc oedema|optic disc edema}",
    "enlarged cup": "{enlarged cup|cupping|enlargement of the cup}",
}
"""What a finding is called where it is denied; plural-safe after "no"."""

AFFIRMED: Mapping[str, str] = {
    "consolidation": "{There is <much> consolidation in the <side> <where>|<Much> airspace "
    "consolidation {involves|occupies} the <side> <where>|The <side> <where> shows <much> "
    "consolidation{| with air bronchograms}|<Much> consolidative opacity in the <side> <where>, "
    "{in keeping with|suggesting} infection}",
    "pleural effusion": "{There is a <much> <side> pleural effusion|<Much> <side>-sided pleural "
    "effusion {with blunting of the costophrenic angle|with a meniscus}|The <side> costophrenic "
    "angle is blunted by a <much> effusion|<Much> effusion {layers|collects} at the <side> base}",
    "pneumothorax": "{There is a <much> <side> pneumothorax|<Much> <side>-sided pneumothorax with "
    "a visible {pleural line|visceral pleural edge}|A <much> <side> apical pneumothorax is "
    "{seen|present}}",
    "cardiomegaly": "{The heart is enlarged, {in keeping with|consistent with} <much> "
    "cardiomegaly|<Much> cardiomegaly|There is <much> cardiomegaly{| with a cardiothoracic ratio "
    "above one half}|<Much> enlargement of the cardiac silhouette (cardiomegaly)}",
    "nodule": "{There is a <much> {well-defined|rounded} nodule in the <side> <where>|A <much> "
    "pulmonary nodule {projects over|lies in} the <side> <where>|<Much> lung nodule in the <side> "
    "<where>{|, indeterminate|, for follow-up}}",
    "mass": "{There is a <much> mass in the <side> <where>|A <much> {lobulated|rounded} lung mass "
    "{projects over|occupies} the <side> <where>|<Much> pulmonary mass, <side> <where>{|, "
    "suspicious for malignancy}}",
    "hairline fracture": "{There is a <much> hairline fracture of the <side> <where>|A thin "
    "oblique lucent line crosses the <side> <where>, {consistent with|in keeping with} a <much> "
    "hairline fracture|<Much> undisplaced hairline fracture, <side> <where>}",
    "displaced fracture": "{There is a displaced fracture of the <side> <where> with <much> "
    "{offset|displacement of the fragments}|Displaced oblique fracture of the <side> <where>, "
    "<much> {angulation|cortical offset}|The <side> <where> is broken: displaced fracture, <much> "
    "step-off}",
    "lytic lesion": "{There is a <much> lytic lesion in the <side> <where>|A <much> osteolytic "
    "lesion {replaces the marrow of|is seen in} the <side> <where>|<Much> lytic bone lesion, "
    "<side> <where>{|, with a narrow zone of transition}}",
    "adenocarcinoma": "{The section shows <much> {invasion by|involvement by} adenocarcinoma|"
    "Irregular, crowded glands with stratified hyperchromatic nuclei: adenocarcinoma, <much> "
    "atypia|Invasive adenocarcinoma with <much> nuclear atypia{| and desmoplastic stroma}}",
    "necrosis": "{There is <much> necrosis in the <where> of the field|An area of <much> tumour "
    "necrosis {lies|is seen} at the <where>|<Much> necrosis with nuclear debris, <where>}",
    "inflammation": "{There is <much> chronic inflammation, {densest|most intense} at the "
    "<where>|<Much> lymphocytic infiltrate (inflammation) in the <where> of the field|The lamina "
    "propria shows <much> inflammation towards the <where>}",
    "mitotic figures": "{<Much> mitotic figures are {seen|present}|There are <much> mitotic "
    "figures{|, some in anaphase}|<Much> mitoses per high-power field}",
    "target cells": "{There are <much> target cells|<Much> target cells are {seen|present}{| among "
    "the red cells}|Red cells include <much> target cells (codocytes)}",
    "sickle cells": "{There are <much> sickle cells|<Much> sickle cells {are seen|with pointed "
    "ends}|<Much> crescent-shaped sickle cells (drepanocytes)}",
    "hypochromia": "{There is <much> hypochromia{| with widened central pallor}|<Much> hypochromia "
    "of the red cells|Red cells show <much> hypochromia}",
    "haemorrhages": "{There are <much> {retinal haemorrhages|dot and blot haemorrhages|retinal "
    "hemorrhages} in the <where> quadrant|<Much> {haemorrhages|hemorrhages} along the <where> "
    "arcade|<Much> dot, blot and flame haemorrhages, <where>}",
    "hard exudates": "{There are <much> hard exudates in the <where> quadrant|<Much> hard exudates "
    "{cluster|are grouped} <where_ly>|Yellow deposits with sharp edges, <much> hard exudates, "
    "<where>}",
    "cotton wool spots": "{There are <much> cotton wool spots <where_ly>|<Much> cotton-wool spots "
    "along the <where> arcade|<Much> fluffy white cotton wool spots in the <where> quadrant}",
    "drusen": "{There are <much> drusen at the macula|<Much> {soft|yellow} drusen {within|at} the "
    "macula|Macula with <much> drusen}",
    "disc swelling": "{There is <much> optic disc swelling with blurred margins|<Much> disc "
    "swelling{|, margins indistinct}|The optic disc shows <much> {disc oedema|swelling (disc "
    "edema)} and its margins are blurred}",
    "enlarged cup": "{The optic cup is enlarged (<much> cupping)|<Much> enlargement of the cup "
    "with an increased cup-to-disc ratio|There is an enlarged cup, <much>{|, suspicious for "
    "glaucoma}}",
}

POSSIBLE = (
    "{Possible|Suspected|Probable|Questionable} <short>{|; correlate clinically|, to be confirmed}"
)
"""A hedged sentence."""

SHORT: Mapping[str, str] = {"adenocarcinoma": "<term> with <much> atypia"}
"""A finding in short, where it is not "<much> <term><at>"."""

AT: Mapping[str, str] = {
    "consolidation": " in the <side> <where>", "pleural effusion": " on the <side>",
    "pneumothorax": " on the <side>", "nodule": " in the <side> <where>",
    "mass": " in the <side> <where>", "hairline fracture": " of the <side> <where>",
    "displaced fracture": " of the <side> <where>", "lytic lesion": " in the <side> <where>",
    "necrosis": " in the <where> of the field", "inflammation": " in the <where> of the field",
    "haemorrhages": " in the <where> quadrant", "hard exudates": " in the <where> quadrant",
    "cotton wool spots": " in the <where> quadrant", "drusen": " at the macula",
}  # fmt: skip
"""How a short sentence says where a finding is; nothing where it is not listed."""

DENIED = (
    "No <list>",
    "No evidence of <list>",
    "Negative for <list>",
    "No <list> {seen|identified|demonstrated}",
    "No sign of <list>",
    "No convincing <list>",
)
"""Sentences that rule a list of findings out."""

NORMAL: Mapping[str, str] = {
    "chest": "{The lungs are clear|Clear lungs|Both lungs are well aerated} {and the heart size is "
    "normal|with a normal cardiac silhouette}|Normal chest|{Unremarkable|Normal} chest film",
    "bone": "{Normal alignment and bone density|The bones are intact|Normal <side> <part>}{|. The "
    "cortex is continuous throughout|. Joint spaces are preserved}",
    "tissue": "{Normal colonic mucosa|Unremarkable colonic mucosa|Benign colonic mucosa} with "
    "{regular|evenly spaced} crypts {and goblet cells|lined by goblet cells}",
    "smear": "{Normal blood film|Unremarkable blood film|Red cells are normocytic and "
    "normochromic}{|. Platelets are adequate|. Red cells are even in size}",
    "fundus": "{Normal fundus|Healthy retina|Unremarkable fundus}{| with a pink disc and a clear "
    "macula|. Vessels are of normal calibre|. The macula is flat with a good reflex}",
}

OPENING: Mapping[str, str] = {
    "chest": "{|Chest X-ray, frontal view. |PA chest radiograph. |Frontal chest film. |Indication: "
    "{cough|shortness of breath|chest pain|fever}. }",
    "bone": "X-ray of the <side> <part>. |<Side> <part> radiograph. |{Indication: "
    "{fall|pain|injury}. |}<Side> <part>, single view. ",
    "tissue": "{|Colon biopsy, H&E. |Section of colon. |H&E stained section of large bowel. |"
    "Microscopy: }",
    "smear": "{|Peripheral blood smear. |Blood film. |Blood film, Wright-Giemsa stain. }",
    "fundus": "<Side> eye. |Fundus photograph of the <side> eye. |{<eye>|<Side> eye} fundus. "
    "|Colour fundus photograph, <side> eye. ",
}

EXTRA: Mapping[str, str] = {
    "chest": "|The bony thorax is intact|{Trachea|The trachea} is central|The film is slightly "
    "rotated|The mediastinal contour is within normal limits|Clavicles and ribs are unremarkable",
    "bone": "|Soft tissues are unremarkable|Joint alignment is preserved|Bone density is normal "
    "elsewhere|{The|Adjacent} soft tissues are normal",
    "tissue": "|Stain quality is good|{Stroma is fibrous|The stroma is loose}|The specimen is well "
    "oriented|Single field at medium power",
    "smear": "|Platelets are {adequate|present in normal number}|{White|Leukocyte} morphology is "
    "unremarkable|The film is well spread",
    "fundus": "|The vessels are of normal calibre|Image quality is {good|adequate}|The vitreous is "
    "clear|The fovea is visible",
}

FOLLOW_UP = (
    "Compared with the prior {image|study|examination}, the {appearance is|findings are} <course>",
    "{Follow-up|Interval follow-up}: <course> since the previous study",
    "<Course> {when compared with|relative to} the earlier examination",
)

COURSE: Mapping[str, tuple[str, ...]] = {
    "improved": ("improved", "better"),
    "worsened": ("worse", "worsened"),
    "unchanged": ("unchanged", "stable"),
}
"""Words for what has become of the findings since the earlier study."""

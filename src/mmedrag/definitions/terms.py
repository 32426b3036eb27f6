"""A dictionary entry, whatever file it came from, and which of its names may be matched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mmedrag.definitions.wording import normal, spans

MAX_NAME_TOKENS = 20
MAX_NAME_LENGTH = 200
"""Longer names are kept as entries but never matched: no report spells them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One concept of a dictionary: its names, its definition, and where it is from.

    ``abbreviations`` match in the case in which they are written; so do synonyms that look like
    abbreviations. ``kind`` is the semantic type (finding, disease, anatomy, …; a UMLS type). The
    names of a ``curated`` term were chosen for matching, so they may be everyday words.
    """

    id: str
    term: str
    synonyms: tuple[str, ...] = ()
    abbreviations: tuple[str, ...] = ()
    definition: str = ""
    source: str = ""
    licence: str = ""
    kind: str = ""
    curated: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A way to write a term. ``exact`` names match only in their own case."""

    text: str
    exact: bool
    synonym: bool


def names(term: Term) -> Iterator[Name]:
    """The names of ``term`` that a text may be matched with, each once."""
    seen: set[tuple[str, bool]] = set()
    written = [(term.term, False), *((s, True) for s in (*term.synonyms, *term.abbreviations))]
    for text, synonym in written:
        text = " ".join(text.split())
        exact = _needs_its_case(text, text in term.abbreviations)
        if (text, exact) not in seen and _may_match(text, exact or term.curated):
            seen.add((text, exact))
            yield Name(text, exact, synonym)


def _needs_its_case(text: str, abbreviation: bool) -> bool:
    if any(c.isspace() for c in text) or text.islower() or not text:
        return False
    if abbreviation:
        return len(text) <= 2 or text.lower() in WORDS
    capitals = sum(c.isupper() for c in text)
    return len(text) <= 6 and capitals >= max(2, (len(text) + 1) // 2)


def _may_match(text: str, trusted: bool) -> bool:
    pieces = [text[start:end] for start, end in spans(text)]
    if not pieces or len(pieces) > MAX_NAME_TOKENS or len(text) > MAX_NAME_LENGTH:
        return False
    if trusted:
        return len(text) > 1
    return len(text) > 2 and any(map(_tells, pieces))


def _tells(piece: str) -> bool:
    """Whether the token is more than a letter, a number or an everyday word."""
    word = normal(piece)
    return len(word) > 1 and word not in _STOP and not word.isdigit()


WORDS = frozenset(
    """
    act aid aids aim air all and ant any arc are ark arm art ask bad bag ban bar bat bed bet big bit
    box boy but cad can cap car card care case cast cat chop clear cot cup cut dad dam day den did
    dig dim dip dish dog dot dry due ear eat egg end era eye fan far fat fed few fig fin fit fix flu
    for fun gap gas get god got gum gun gut guy had ham has hat her hid him hip his hit hot how ice
    ill ink its jam jar jaw jet job key kid kit lab lad lag lap law lay led leg let lid lip log lot
    low mad man map mat may men met mid mix mom mop mud net new nil nod nor not now nut odd off oil
    old one our out own pad pan par pas pat pay pen per pet pin pit pop pot put ram ran rat raw ray
    red rib rid rim rip rod rot row rub run sad sat saw say sea see set sex she shy sin sip sit six
    ski sky son spa spy sum sun tab tag tan tap tar tax tea ten the tie tin tip toe ton too top toy
    try tub two use van vat via war was way wax web wet who why win wit yes yet you
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
"""Everyday words that abbreviations share their letters with."""

_STOP_WORDS = """
    abnormal abnormality about above absence absent abundant acquired active actual acute adequate
    adjacent adult advanced affected after again age aged all almost along also alternate although
    among amount an and another anterior any apparent appearance appropriate are area around as
    aspect assess assessment associated at atypical available average base baseline because become
    before behavior being below beneath benign best better between big bilateral black blue body
    border both boundary branch bright broad brown but by calm can cannot case category central
    centre certain change character characteristic chest child chronic circular class classic clear
    clinical close closed code cold collection color combined common comparison complete component
    composition concern condition configuration consistent contact content contour contralateral
    control correlation count course crossing current cut dark data date day decreased deep defect
    deficient degree delayed dense density dependent depth describe description detail detected
    deviation device diagnosis diagnostic diameter different difficult diffuse dimension direct
    direction disease disorder distal distance distant distribution dominant double down due during
    each early edge effect either elevated end enlarged entire equal equivocal even evaluate
    evaluation event every evidence exam examination excellent exclude excluded exist extend extensive
    extent external extra extreme factor failure fair false family far fast feature female few field
    file filled film final find finding findings fine first flat focal focus follow follow-up for
    form formation fraction free frequent fresh from front full function further general generalized
    global good grade gradual gray great green gross group growth guidance half hard has have head
    heavy height help high history hold homogeneous horizontal hospital hot hour human identified
    idiopathic image imaging impression in inadequate incidental include incomplete increase
    increased indeterminate index indication individual infant inferior information inheritance
    initial injury inner instrument insufficient intact intensity interior intermediate intermittent
    internal interpretation interval into invasive inverse irregular is isolated item joint just key
    kind known label laboratory large last late lateral layer left length less level life light like
    likely limit limitation limited line linear list little lobe local localized location long loss
    low lower main major male malignant man management many margin marked marker material
    maximal mean measure measurement medial median medical medium method mid middle mild milk
    minimal minor minute mixed mode moderate modifier month more morphology most motion mouth
    movement multifocal multiple multi name narrow native natural near necessary negative new no
    node none non normal not note noted number numerous object observation obtained of off old on
    once one onset open opinion option or order organ orientation origin other out outer outline
    outside over overall parameter part partial particular patch patchy path patient pattern
    people percent period peripheral permanent persistent person pink place plan plane point poor
    position positive possible post posterior prior pre predominant presence present previous
    primary probable probably procedure process profile prominent property proportion proximal
    purpose quality quantity question quiet radius random range rapid rare rate ratio raw reason
    recent recommendation recurrent red reduced reference reflect region regional regular related
    relation relative remainder remote repeat report requested residual response rest result review
    right ring role root rough round routine row same sample scale scan score screening search
    second secondary section see seen segment sequence series set severe severity shape sharp short
    side sign signal significant similar simple single site size slice slide slight slow small smooth
    soft solid solitary some sound source space special specific specimen spherical sporadic spot
    stable stage staining standard start state static status step strand strong structure study
    subacute subject sudden suggest superficial superior supine support surface surgery surgical
    suspected symmetric symptom system table technique temporary term test text texture than that
    the their them thick thickness thin third this three time tip tissue to today top total tract
    transient transverse treatment true two type typical uncertain under undetermined uniform
    unilateral unit unknown unremarkable unspecified up upper usual value variable variant variation
    varying vertical very view visible visit visualized volume wall warm was water wave weak week
    weight well were white whole wide widespread width with within without woman work world year
    years yellow young zone
    body contrast erect prone decubitus frontal ap pa sided axial coronal sagittal oblique osseous
    interstitial thickening thickened fused enhancing expanded nonsolid unchanged nodular dilated
    midline displaced displacement suggestive definite suspicious scattered apical basilar cortical
    vascular tortuous extension intravenous attenuation enlargement flow heterogeneous circumscribed
    preoperative postoperative intraoperative pole deformity worsening worsened improved improving
    oral ventilation compression compressed respiratory possibly caliber pressure panoramic inflated
    elevation quadrant reconstruction aerated dilation sclerotic isointense aggressive expansile
    tube temperature rounded round reduction fatty patent nasal syndrome drainage subcutaneous
    ureteral retinal rim borderline protein oxygen blood fluid fat cell tissue metallic foreign
    hypoinflated emphysematous femoral humeral parietal frontal temporal occipital cervical lumbar
    sacral orbital pulmonary cardiac hepatic renal splenic pleural pericardial mediastinal hilar
    grossly suggesting consistent compatible resolved resolving persists persistent interval
    visualised excluded ill age gender sex moderate-sized sized sizeable extending
"""
_STOP = frozenset(normal(word) for word in _STOP_WORDS.split())

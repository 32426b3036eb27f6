"""A dictionary entry, whatever file it came from, and which of its names may be matched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mmedrag.text.wording import normal, spans

MAX_NAME_TOKENS = 20
MAX_NAME_LENGTH = 200
"""Longer names are kept as entries but never matched: no report spells them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One concept of a dictionary: its names, its definition, and where it is from.

    ``abbreviations`` match in the case in which they are written; so do synonyms that look like
    abbreviations. ``contexts`` are, by abbreviation, words and domains (``@radiology``) of which a
    text must have one for it to mean this; ``*`` among them: also where it has none that speaks for
    another meaning. ``lay`` are words of patients. ``kind`` is what the source calls its sort (see
    :mod:`~mmedrag.definitions.kinds`), ``parents`` what it is a kind of, by id or else by term, and
    ``region`` the id of the part of the body that it is in. The names of a ``curated`` term were
    chosen for matching, so they may be everyday words. ``relations`` are pairs of a type
    (:func:`~mmedrag.definitions.references.relation_type`) and the id or term of another concept;
    ``references`` are the codes that other sources have for it.
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
    lay: tuple[str, ...] = ()
    contexts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    region: str = ""
    domains: tuple[str, ...] = ()
    relations: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    references: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A way to write a term. ``exact`` names match only in their own case.

    ``contexts`` are words in normal form and domains (see :class:`Term`).
    """

    text: str
    exact: bool
    synonym: bool
    contexts: tuple[str, ...] = ()
    lay: bool = False


def names(term: Term) -> Iterator[Name]:
    """The names of ``term`` that a text may be matched with, each once."""
    seen: set[tuple[str, bool]] = set()
    written = (term.term, *term.synonyms, *term.abbreviations, *term.lay)
    for number, text in enumerate(written):
        text = " ".join(text.split())
        exact = _needs_its_case(text, text in term.abbreviations)
        if (text, exact) not in seen and _may_match(text, exact or term.curated, term.definition):
            seen.add((text, exact))
            for contexts in _contexts(term.contexts.get(text, ())):
                yield Name(text, exact, number > 0, contexts, text in term.lay)


def _contexts(given: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The words of which one is needed, in normal form; then none, where any text will do."""
    words = [word for word in given if word != "*"]
    if words:
        yield tuple(word if word.startswith("@") else normal(word) for word in words)
    if len(words) < max(1, len(given)):
        yield ()


def _needs_its_case(text: str, abbreviation: bool) -> bool:
    if any(c.isspace() for c in text) or text.islower() or not text:
        return False
    if abbreviation:
        return len(text) <= 2 or not WORDS.isdisjoint({text.lower(), normal(text)})
    capitals = sum(c.isupper() for c in text)
    return len(text) <= 6 and capitals >= max(2, (len(text) + 1) // 2)


def _may_match(text: str, trusted: bool, definition: str) -> bool:
    pieces = [text[start:end] for start, end in spans(text)]
    if not pieces or len(pieces) > MAX_NAME_TOKENS or len(text) > MAX_NAME_LENGTH:
        return False
    if trusted:
        return len(text) > 1
    words = [normal(piece) for piece in pieces]
    if len(text) > 2 and any(map(_tells, words)):
        return True
    # "blue spot" may be a term where somebody has defined it; "right-sided" never is.
    return len(words) > 1 and bool(definition) and not _LOCATIONS.issuperset(words)


def _tells(word: str) -> bool:
    """Whether the word is more than a letter, a number or an everyday word."""
    return len(word) > 1 and word not in _STOP and not word.isdigit()


WORDS = frozenset(
    """
    act adem aid aids aim air all and ant any arc are ark arm art ask bad bag ban bar bat bed bet
    big bit box boy but cad can cap car card care case cast cat chop clear cot cup cut dad dam day
    den did dig dim dip dish dog dot dry due ear eat egg end era eye fan far fat fed few fig fin fit
    fix flu for fun gap gas get god got gum gun gut guy had ham has hat her hid him hip his hit hot
    how ice ill ink its jam jar jaw jet job key kid kit lab lad lag lap law lay led leg let lid lip
    log lot low mad man map mat may men met mid mix mom mop mud net new nil nod nor not now nut odd
    off oil old one our out own pad pan par pas pat pay pen per pet pin pit pop pot put ram ran rat
    raw ray red rib rid rim rip rod rot row rub run sad sat saw say sea see set sex she shy sin sip
    sit six ski sky sob son spa spy sum sun tab tag tan tap tar tax tea ten the tie tin tip toe ton
    too top toy try tub two use van vat via war was way wax web wet who why win wit yes yet you
    sem tem
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
"""Everyday words that abbreviations share their letters with; the last two are Portuguese."""

_STOP_WORDS = """
    abnormal abnormality about above absence absent abundant acquired active actual acute
    adequate adjacent adult advanced aerated affected after again age aged aggressive all almost
    along also alternate although among amount an and another anterior any ap apical apparent
    appearance appropriate are area around as aspect assess assessment associated at attenuation
    atypical available average axial base baseline basilar because become before behavior being
    below beneath benign best better between big bilateral black blood blue body border
    borderline both boundary branch bright broad brown but by caliber calm can cannot cardiac
    case category cell central centre certain cervical change character characteristic chest
    child chronic circular circumscribed class classic clear clinical close closed code cold
    collection color combined common comparison compatible complete component composition
    compressed compression concern condition configuration consistent contact content contour
    contralateral contrast control coronal correlation cortical count course crossing current
    cut dark data date day decreased decubitus deep defect deficient definite deformity degree
    delayed dense density dependent depth describe description detail detected deviation device
    diagnosis diagnostic diameter different difficult diffuse dilated dilation dimension direct
    direction disease disorder displaced displacement distal distance distant distribution
    dominant double down drainage due during each early edge effect either elevated elevation
    emphysematous end enhancing enlarged enlargement entire equal equivocal erect evaluate
    evaluation even event every evidence exam examination excellent exclude excluded exist
    expanded expansile extend extending extension extensive extent external extra extreme factor
    failure fair false family far fast fat fatty feature female femoral few field file filled
    film final find finding findings fine first flat flow fluid focal focus follow follow-up for
    foreign form formation fraction free frequent fresh from front frontal full function further
    fused gender general generalized global good grade gradual gray great green gross grossly
    group growth guidance half hard has have head heavy height help hepatic heterogeneous high
    hilar history hold homogeneous horizontal hospital hot hour human humeral hypoinflated
    identified idiopathic ill image imaging impression improved improving in inadequate
    incidental include incomplete increase increased indeterminate index indication individual
    infant inferior inflated information inheritance initial injury inner instrument
    insufficient intact intensity interior intermediate intermittent internal interpretation
    interstitial interval into intraoperative intravenous invasive inverse irregular is
    isointense isolated item joint just key kind known label laboratory large last late lateral
    layer left length less level life light like likely limit limitation limited line linear
    list little lobe local localized location long loss low lower lumbar main major male
    malignant man management many margin marked marker material maximal mean measure measurement
    medial median mediastinal medical medium metallic method mid middle midline mild milk
    minimal minor minute mixed mode moderate moderate-sized modifier month more morphology most
    motion mouth movement multi multifocal multiple name narrow nasal native natural near
    necessary negative new no node nodular non none nonsolid normal not note noted number
    numerous object oblique observation obtained occipital of off old on once one onset open
    opinion option or oral orbital order organ orientation origin osseous other out outer
    outline outside over overall oxygen pa panoramic parameter parietal part partial particular
    patch patchy patent path patient pattern people percent pericardial period peripheral
    permanent persistent persists person pink place plan plane pleural point pole poor position
    positive possible possibly post posterior postoperative pre predominant preoperative
    presence present pressure previous primary prior probable probably procedure process profile
    prominent prone property proportion protein proximal pulmonary purpose quadrant quality
    quantity question quiet radius random range rapid rare rate ratio raw reason recent
    recommendation reconstruction recurrent red reduced reduction reference reflect region
    regional regular related relation relative remainder remote renal repeat report requested
    residual resolved resolving respiratory response rest result retinal review right rim ring
    role root rough round rounded routine row sacral sagittal same sample scale scan scattered
    sclerotic score screening search second secondary section see seen segment sequence series
    set severe severity sex shape sharp short side sided sign signal significant similar simple
    single site size sizeable sized slice slide slight slow small smooth soft solid solitary
    some sound source space special specific specimen spherical splenic sporadic spot stable
    stage staining standard start state static status step strand strong structure study
    subacute subcutaneous subject sudden suggest suggesting suggestive superficial superior
    supine support surface surgery surgical suspected suspicious symmetric symptom syndrome
    system table technique temperature temporal temporary term test text texture than that the
    their them thick thickened thickening thickness thin third this three time tip tissue to
    today top tortuous total tract transient transverse treatment true tube two type typical
    uncertain unchanged under undetermined uniform unilateral unit unknown unremarkable
    unspecified up upper ureteral usual value variable variant variation varying vascular
    ventilation vertical very view visible visit visualised visualized volume wall warm was
    water wave weak week weight well were white whole wide widespread width with within without
    woman work world worsened worsening year years yellow young zone
"""
_STOP = frozenset(normal(word) for word in _STOP_WORDS.split())
_LOCATIONS = frozenset(
    ["both", "bilateral", "in", "left", "lower", "of", "right", "side", "sided", "the", "upper"]
)

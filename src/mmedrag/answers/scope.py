"""Questions that cases and dictionaries cannot answer, and what can be asked instead.

Similar cases say what was seen and what it was. They do not say what to do: dose, treatment,
guideline, outcome and advice are declined, and so is what is no medical question, and a finding
that cannot be in the image that came with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mmedrag.answers.passages import instruction_like
from mmedrag.answers.romance import DECLINING, plain_letters
from mmedrag.types import Domain, Question, QuestionKind

Domains: TypeAlias = Callable[[str], Sequence[Domain]]
"""The corpora whose reports use a concept; empty where nobody knows."""

INSTEAD = "Ask what a finding is, whether it is there, what it may be, or for similar cases."


@dataclass(frozen=True, slots=True)
class OutOfScope:
    """Why a question is declined: the rule's name, and the sentence that the reader sees."""

    rule: str
    sentence: str


_PERSON = (
    r"(?:i|we|you|he|she|they|one|(?:the|this|my|our|that|a) (?:\w+ ){0,2}?(?:patient|child|woman"
    r"|man"
    r"|baby|mother|father|son|daughter|wife|husband|doctor|person|boy|girl))"
)
_TREATMENT = (
    r"(?:treat(?:ment|ments|ed|ing)?|therap(?:y|ies|eutic)|manage(?:ment|d)?|managing|drugs?"
    r"|medicines?|medications?"
    r"|antibiotics?|anticoagul\w+|chemo\w*|radiotherapy|radiation|immunotherapy|surgery"
    r"|operat(?:e|ion|ed)|regimens?|steroids?"
    r"|remed(?:y|ies)|cure|vaccines?|eye ?drops|painkillers?|interventions?|inhalers?|insulin)"
)
# The endings by which the WHO names families of substances (INN stems), and some without one.
_DRUG = (
    r"(?:\w{2,}(?:cillin|mycin|cycline|oxacin|sartan|olol|statin|prazole|dipine|azepam|parin"
    r"|tinib|mab|conazole|profen|triptan"
    r"|gliptin|gliflozin|setron|vir|thiazide|cef\w+|sulfa\w+|prost|semide|solone|olone|sone)"
    r"|\w+pril|cef\w{4,}|amoxi\w+|aspirin|paracetamol"
    r"|acetaminophen|insulin|metformin|warfarin|morphine|codeine|methotrexate|prednison\w*"
    r"|adrenaline|epinephrine|atropine"
    r"|timolol|chloroquine|cisplatin|tamoxifen|levothyroxine|digoxin|lithium|oxygen therapy"
    r"|thrombolysis|dialysis|tpa)"
)
_RULES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "asks for a dose",
        "This asks for a dose, and cases and dictionaries of images do not give one",
        (
            r"\b(?:dos(?:e|es|age|ages|ing)|posolog\w*|dosis)\b(?!.{0,12}\b(?:ct|scan|report"
            r"|radiation)\b)(?!-)",
            r"\bhow (?:much|many)\b.*\b(?:mg|milligrams?|grams?|ml|tablets?|pills?|units?|drops)\b",
            r"\bhow much (?!of (?:the|this)\b)(?:\w+ )?(?:for|to (?:give|take|prescribe|inject))\b",
            r"\bhow much \w+(?: \w+)? (?:should|do|to|can|for)\b",
            r"\b(?:how often|how many times)\b.*\b(?:take|give|inject|apply)\b",
        ),
    ),
    (
        "asks for a prognosis",
        "This asks for a prognosis, which cannot be read from similar images and reports",
        (
            r"\bprogno\w*|\bsurviv(?:al|e|es|ing)\b|\blife[- ]expectancy\b|\bmortality\b",
            r"\bhow long\b.*\b(?:live|left|have|last|take|recover|survive|heal)\b",
            r"\b(?:going to|will|gonna|could|can|might) (?:\w+ ){0,3}(?:die|kill|go blind"
            r"|lose (?:my|his|her) (?:sight|vision|eye|leg)"
            r"|recover|survive|come back|be cured|get better|heal)\b",
            r"\b(?:cur(?:e|ed|able)|fatal|terminal|deadly|life[- ]threatening)\b",
            r"\b(?:chances?|odds) (?:that (?:he|she|they|i|it)|of (?:surviv\w*|recover\w*|success"
            r"|cure|death|dying|relapse|recurrence|it coming))\b|\b(?:what are (?:my|his|her"
            r"|the) (?:chances|odds))\b|\blikelihood of (?:\w+ )?(?:recovery|survival"
            r"|death|cure"
            r"|recurrence|relapse|dying)\b",
            r"\bhow (?:dangerous|serious|risky|deadly|fast will|quickly will|soon will)\b"
            r"|\bshould i (?:worry|be (?:worried|concerned|afraid))\b|\b(?:serious|dangerous)\?",
            r"\b(?:outlook|long[- ]term outcome|recurrence rate|risk of death)\b",
        ),
    ),
    (
        "asks for a guideline",
        "This asks for a guideline or a follow-up, which cases and dictionaries do not set",
        (
            r"\bguid(?:eline|elines|ance)\b|\bconsensus (?:statement|recommend\w*)\b"
            r"|\bfleischner\b.*\b(?:recommend|follow|when)\b",
            r"\b(?:recommend(?:ed|ation|ations|s)?|suggest(?:ed)?|arrange|plan|schedule"
            r"|advise[ds]?)\b.*"
            r"\b(?:follow[- ]?up|screening|interval|plan|surveillance|work[- ]?up|next|imaging)\b",
            r"\b(?:follow[- ]?up|surveillance|screening|rescanning) (?:interval|period|schedule"
            r"|plan|imaging|ct"
            r"|mri|scan|visit|time)s?\b",
            r"^how often (?:should|must|do|does|is|are)\b",
            r"\b(?:when|how often|how soon)\b.*\b(?:follow|screen|repeat|rescan|re-?image"
            r"|check(?:ed)?|review(?:ed)?|scan(?:ned)?|tested)\b",
            r"\b(?:what|which|how)\b[^.?!]*\b(?:follow[- ]?ups?|surveillance|screening)\b",
            r"\b(?:next|further) (?:best )?(?:step|steps|investigation|investigations|test|tests"
            r"|management|workup)\b",
            r"\bwhat do (?:the )?(?:\w+ )?guidelines?\b|\bstandard of care\b"
            r"|\bscreening (?:interval|programme|program)\b",
            r"\bwhich (?:test|investigation|scan|exam|examination)s? (?:should|would|to"
            r"|is (?:best|needed|indicated|next))\b",
        ),
    ),
    (
        "asks for a treatment",
        "This asks for a treatment, which this system does not choose",
        (
            rf"\b(?:what|which|how|best|first[- ]line|second[- ]line|recommended|suitable|any"
            rf"|give|suggest|list|name|options?)\b[^.?!]*\b{_TREATMENT}\b"
            r"(?!.{0,25}\b(?:compared|before|since|change|changes|effect|effects|related|induced"
            r"|response)\b)",
            rf"^{_TREATMENT}\b[^.]*\?$|\b{_TREATMENT} (?:of|for|options?|plan)\b[^.]*\?$",
            r"\b(?:is|are|would|will|does|could|can)\b[^.?!]*\b(?:indicated|contra-?indicated"
            r"|safe to|safe for|needed|required|necessary"
            r"|advisable|appropriate|effective|help)\b(?=[^.?!]*\?|$)",
            r"\b(?:how to|what|which|does|do|can)\b[^.?!]*\b(?:prevents?|diet|lifestyle|smoking"
            r"|alcohol|food|vitamins?"
            r"|supplements?|exercises?)\b(?=[^.?!]*\b(?:helps?|worse|better|prevent\w*|reduce"
            r"|avoid|improve|retard|slow)\b|[^.?!]*[?.]?$)",
            r"^(?:a |an )?(?:stent|bypass|surgery|chemo\w*|radiotherapy|antibiotics?|medication"
            r"|steroids?|laser|injections?)"
            r" (?:vs\.?|versus|or) ",
            r"\bside[- ]effects?\b|\badverse (?:effects?|reactions?)\b|\binteract(?:s"
            r"|ions?)? with\b",
            r"\bprescri(?:be|ption|bed)\b|\bhow (?:do|should|to|would|can"
            r"|must) (?:\w+ ){0,2}?(?:treat|manage|cure|fix|heal|get rid)\b",
            rf"\b{_TREATMENT}\b[^.?!]*\b(?:an? option|a good idea|possible|sensible|reasonable"
            rf"|risky|dangerous|worth"
            rf"|advised|recommended|the best)\b",
            r"\b(?:treat|manage|cure) (?:this|it|the|her|him|a|an)\b",
            rf"\b{_DRUG}\b(?![- ](?:\w+ )?(?:retinopathy|toxicity|lung|induced|related"
            rf"|pneumon\w+))",
            r"\b(?:would|do|should|could) (?:you|one|we|i) (?:give|use|start|try|prescribe"
            r"|perform|do|put|apply|inject|offer)\b",
            r"\bwhich (?:\w+ ){1,3}(?:would|should|do) (?:you|i|we) (?:choose|use|prefer|pick"
            r"|take|give)\b",
            r"\b(?:laser|ventilator|pump|machine) settings?\b|\bis it (?:ok|okay|safe|fine"
            r"|all right|possible|allowed) (?:to(?! (?:see|tell|say|know|identify|recogni[sz]e"
            r"|distinguish|make out|detect|exclude|rule out))|for|if)\b|\bsafe (?:in|during|for"
            r"|to)\b",
            r"\bwhat (?:lowers|reduces|relieves|helps|stops|works for)\b"
            r"|^(?:who|whom) (?:should|can|do|must) i\b|\bfirst[- ]line\b|^prescribe\b"
            r"|\blowers? (?:the )?(?:intraocular|blood) pressure\b",
        ),
    ),
    (
        "asks for a decision",
        "This asks what to do for a patient, which is for the people who care for that patient",
        (
            rf"\bshould(?:n't)? (?!(?:i|we|one) (?:think|consider|suspect|look|be looking|notice"
            rf"|pay|call|read|report"
            rf"|see|expect|interpret)\b)(?!(?:this|it|that|these) (?:be|rather be) (?:read|called"
            rf"|reported|seen|regarded|classified|interpreted|considered)\b){_PERSON}\b",
            r"\bwhat (?:should|shall|must|can|do|would) (?:i|we|he|she|they|you|one) (?:now "
            r"|then )?(?:do|take|eat|avoid|recommend|prescribe|start|give)\b",
            rf"\b(?:do|does|will|would) {_PERSON} (?:really )?(?:need|require|have to|benefit)\b",
            r"\b(?:can|may|could|when can|when may) (?:i|he|she|they|my \w+|the patient) (?!see\b"
            r"|find\b|have (?:an? )?(?!mri|surgery|contrast)|be (?!discharged|operated|moved"
            r"|treated)|detect|identify|recogni[sz]e|know|tell|assume|say|call|conclude|interpret"
            r"|read|look|view)(?:[a-z]+)\b(?=[^.?!]*\b(?:with|after|before|during|while|again|to"
            r"|this|the|my|into|now|it)\b)",
            r"\bwhat (?:will|would) happen\b|\bif we do nothing\b|\bcounsel\b|\bhow (?:should"
            r"|would|do|can) (?:i|we|you) (?:\w+ )?(?:counsel|inform|tell (?:the|this|his|her|my"
            r"|a) (?:patient|family|parents|mother|child)|approach|proceed|handle|deal|prevent"
            r"|avoid)\b",
            rf"\b(?:can|may|could|is it (?:ok|okay|safe|fine"
            rf"|possible) (?:for)?) ?{_PERSON} (?:to )?(?:safely )?(?:take|fly|eat|drink|drive"
            rf"|travel|exercise|swim"
            r"|have (?:an? )?(?:mri|surgery|contrast|children|sex|vaccine)|go home|be discharged"
            r"|work|stop|start|use|get pregnant|smoke)\b",
            r"\b(?:admit|discharge|operate|biopsy|drain|intubate|refer|transfer|resect|transfuse"
            r"|anticoagulate)\b(?= (?:this|the|her|him|now|or)\b[^.]*\?)",
            r"\bshould (?:the|this|that|these|his|her|my) (?:\w+ ){0,3}?be (?!read|called"
            r"|reported|seen|regarded|classified"
            r"|interpreted|considered|described|suspected)|\bshould (?:the|a) (?:\w+ ){1,3}(?:do"
            r"|come|go|get)\b",
            r"\b(?:requires?|warrants?|necessitates?)\b(?=[^.]*\?)|\b(?:allowed|permitted) to\b",
            r"\b(?:would|should|shall|do|could|can|must) (?:you|we|i|one) (?:operate|treat|biopsy"
            r"|drain|admit|discharge|resect"
            r"|refer|anticoagulate|transfuse|intubate|observe|wait|intervene|recommend|send|let"
            r"|leave|ignore|stop|start|order)\b",
            r"\b(?:send|let|take|bring) (?:him|her|them|me|the \w+|this \w+) (?:home|to|go"
            r"|leave)\b",
            r"\bcan (?:an?|the|this|any|my)\b[^.?!]*\bhave (?:an? )?(?:mri|ct|scan|surgery"
            r"|operation|contrast|vaccine)\b",
            r"\bis it (?:dangerous|harmful|risky|urgent|an emergency|necessary|worth|better|wise"
            r"|advisable|too late)\b",
            r"\bneed(?:s|ed)? (?:an? )?(?:\w+ ){0,2}(?:surgery|operation|biopsy|drain|drainage"
            r"|chest tube|treatment|doctor|referral|admission|mri|ct|transfusion)\b(?=[^.]*\?)",
            r"\b(?:best|good|nearest) (?:hospital|doctor|clinic|surgeon|specialist)\b|\bat home\b"
            r"|\bfit (?:for|to)\b|\btime to (?:start|stop|operate|treat)\b",
            r"\bsee a (?:doctor|specialist|surgeon)\b|\bgo to (?:the )?(?:hospital|emergency"
            r"|er)\b|\bstop taking\b|\bsecond opinion\b",
        ),
    ),
    (
        "is no medical question",
        "This is no question about medical images or findings",
        (
            r"\b(?:what|how much)\b[^.?!]*\b(?:costs?|earn|paid|salary|price)\b|\b(?:insurance"
            r"|lawsuit|lawyer|cost of|price of|how much does .* cost|appointment"
            r"|billing|icd[- ]?10 code)\b",
            r"\b(?:my|our|his|her) (?:dog|cat|horse|pet|puppy|kitten|rabbit|cow|parrot)\b"
            r"|\bfeed (?:him|her|it|them)\b",
            r"^(?:please )?(?:can you )?recommend (?:me )?(?:an?|some|something"
            r"|any) (?:\w+ )?(?:films?|books?|games?|shows?|music"
            r"|gifts?|apps?|places?|wine|cars?)\b",
            r"\b(?:weather|poem|joke|recipe|song|lyrics|movie|film star|football|soccer"
            r"|basketball|olympics?|world cup|stock market|stocks?"
            r"|bitcoin|president|prime minister|capital (?:city )?of|population of|restaurant"
            r"|hotel|holiday|flight|horoscope|birthday"
            r"|essay|story about|homework|python|javascript|sql|program(?:me|ming)?|spreadsheet"
            r"|translate|translation|email|password"
            r"|chess|guitar|painting|novel|tallest|fastest|richest|square root|equation"
            r"|integral of|cook|bake|car engine|smartphone)\b",
            r"^(?:who|whose) (?:is|was|are|were|won|wrote|invented|painted|discovered|made"
            r"|founded)\b|^when (?:is|was|did|were)\b(?!.*\b(?:patient|scan|study|image|film)\b)",
            r"^\W{0,3}(?:\d{1,9} ?[-+*/x×^] ?){1,5}\d{1,9}[ =?]{0,4}$|^what is \d+\s*[-+*/x]\s*\d+",
            r"\bwho are you\b|\bwhat(?:'s| is) your name\b|\bhow are you\b|\bare you (?:human"
            r"|a bot|an ai|chatgpt|sentient)\b",
        ),
    ),
)  # fmt: skip
_COMPILED = tuple(
    (name, sentence, re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE))
    for name, sentence, patterns in _RULES
)
_SENTENCES = {name: sentence for name, sentence, _ in _RULES}
# A treatment may be part of what is asked about: "changes after radiotherapy", "post-treatment".
_HISTORY = re.compile(
    rf"\b(?:after|before|following|post|since|during|despite|status post|s/p|under|on|prior"
    rf"|previous|due to|because of|from)[- ]+"
    rf"(?:\w+ ){{0,2}}?{_TREATMENT}\b|\b{_TREATMENT}[- ](?:related|induced|effect|effects"
    rf"|changes?|naive|response|planning|failure)\b",
    re.IGNORECASE,
)
_TREATS = re.compile(rf"\b(?:{_TREATMENT}|{_DRUG})\b", re.IGNORECASE)
_MEDICAL = re.compile(
    r"\b(?:\w+(?:itis|oma|omata|osis|oses|emia|aemia|pathy|pathies|graphy|gram|scopy|ectomy"
    r"|plasia|plegia|algia|trophy|rrhage"
    r"|rrhagic|uria|megaly|sclerosis|stenosis|cele|lysis|phage|phil|cyte|blast|oid|plasm|plasty"
    r"|penia|iasis|edema|oedema|ectasia"
    r"|oscopic|ological|thorax|ema)|patients?|images?|scans?|films?|x-?rays?|ct|mri|mr|oct"
    r"|ultrasound|lesions?|pain|disease|cancer"
    r"|tumou?rs?|findings?|diagnos\w+|lungs?|hearts?|eyes?|retina\w*|brain|liver|kidneys?|bones?"
    r"|breasts?|cells?|tissues?|slides?"
    r"|section|biops\w+|stain\w*|fractures?|mass(?:es)?|nodules?|opacit\w+|infection|symptoms?"
    r"|syndrome|signs?|cases?|reports?"
    r"|history|year[- ]old|normal|abnormal\w*|patholog\w+|radiolog\w+|ophthal\w+|clinic\w*"
    r"|medical|health\w*|blood|skin|nerves?"
    r"|arter\w+|veins?|vein|fever|cough|vision|visual|drug|doctor|surg\w+|bodies|body|glands?"
    r"|lobes?|valves?|cysts?|ulcers?|bowel"
    r"|colon|stomach|chest|abdom\w+|spine|spinal|head|neck|pelvi\w+|ocular|fundus|optic|macula\w*"
    r"|cornea\w*|lens|vitreous"
    r"|aort\w+|appendi\w+|atri\w+|ventric\w+|bronch\w+|pleura\w*|trache\w+|esophag\w+|oesophag\w+"
    r"|duoden\w+|ile\w+|jejun\w+"
    r"|rectum|rectal|spleen|splenic|pancrea\w*|gall ?\w+|bile|biliary|renal|ureter\w*|urethr\w+"
    r"|adren\w+|pituitary|cerebr\w+"
    r"|cerebell\w+|cortex|cortical|mening\w+|vertebra\w*|disc|discs|femur|femoral|tibia\w*"
    r"|fibula\w*|humer\w+|radius|ulna|carpal"
    r"|wrist|hand|foot|ankle|knee|hip|shoulder|elbow|rib|ribs|skull|orbit\w*|sinus\w*|ear|nasal"
    r"|nose|throat|larynx|pharynx|tongue"
    r"|lip|gingiva\w*|jaw|mandib\w+|maxill\w+|muscular\w*|tendon\w*|ligament\w*|cartilage|marrow"
    r"|lymph\w*|node|nodes|thym\w+"
    r"|tonsil\w*|mediastin\w+|diaphragm\w*|periton\w+|hernia\w*|placenta\w*|cervix|cervical"
    r"|testi\w+|scrotum|epithel\w+"
    r"|mucosa\w*|submucosa\w*|stroma\w*|gland\w*|duct\w*|papilla\w*|choroid\w*|iris|pupil\w*"
    r"|eyelid\w*|conjunctiv\w+"
    r"|sclera\w*|fove\w+|cup|aqueous|tumou?r\w*|cancer\w*|malign\w+|benign|metasta\w+|inflam\w+"
    r"|swollen|swelling|enlarged"
    r"|enhanc\w+|dilat\w+|oedem\w+|edem\w+|calcif\w+|perforat\w+|obstruct\w+|rupture\w*|bleed\w*"
    r"|clot\w*|thromb\w+"
    r"|emboli\w*|wires?|catheters?|tubes?|stents?|pacemakers?|prosthes[ie]s|implants?|clips?"
    r"|plates?|screws?|devices?|isch[ae]+mi\w*|infarct\w*|stroke|seizure\w*|trauma\w*|injur\w+"
    r"|congenital|gas"
    r"|air|fluid|collection"
    r"|gland|muscle|joint|tooth|teeth|oral|fetal|uterus|ovar\w+|prostate|bladder|thyroid|similar"
    r"|nucle\w+|necro\w+|pneumo\w*|thora\w+|casos?|imagen(?:es)?|image(?:m|ns)|radiograf\w+"
    r"|tomograf\w+"
    r"|resonanc\w+|ressonanc\w+|ecograf\w+|pacientes?|exames?|estudios?|diagn[oó]stic\w+"
    r"|pulm[oõ]\w*"
    r"|coraz[oó]n|cora[cç][aã]o|ri[nñ][oó]n|h[ií]gado|ojos?|olhos?|derrames?|lado|side)\b",
    re.IGNORECASE,
)
# A term that neither the dictionary nor the list above has may still be asked for by itself:
# "What is a pannus?", "chalazion?", "UIP vs NSIP".
_WORD = r"(?:[^\W\d_][\w'’-]{3,}|[A-Z]{2,6}s?)"
_TERM = re.compile(
    r"^(?i:(?:please |can you |could you |tell me (?:the )?)*(?:what(?:'s|’s| is| are| does| do)?"
    r"|define|explain"
    r"|meaning of|definition of|whats|glossary:?"
    r"|what do you mean by|what is meant by|¿?qu[eé] (?:es|significa)|o que [eé]|was ist"
    r"|qu'est-ce qu(?:e|'))"
    rf"(?: (?:an?|the|the term|una?|um|mean|means|ein"
    rf"|eine))?) ['\"“]?{_WORD}(?: {_WORD}){{0,2}}['\"”]?(?: mean| stand for)?[?.! ]*$"
    rf"|^{_WORD}(?: {_WORD})?[?.]*$|^{_WORD}(?: {_WORD})? (?:vs\.?|versus"
    rf"|or) {_WORD}(?: {_WORD})?[?.]*$"
    r"|\b(?:the (?:word|term)|this word|what does it mean)\b"
)
# Who points at something has something to show; and these pictures are medical or known not to be.
_POINTING = re.compile(
    r"\b(?:possibilit\w+|hypothes[ie]s|arrows?|ordinary|stud(?:y|ies)|should be|list|suspect\w*"
    r"|differential|guess"
    r"|opinion|thoughts|interpret\w*|describe|other (?:side|one)|this|these|those|here|see|seen"
    r"|visible|shown?|looks?|both|changed|compare\w*|more like"
    r"|anything like)\b"
    r"(?! (?:sentence|word|song|poem|year|week|morning|evening|code|function|movie|book|email"
    r"|weekend|country|world|text into)\b)",
    re.IGNORECASE,
)
_READ = 2000
"""Characters of a text in which a medical word is looked for."""

_ABOUT_AN_IMAGE = frozenset({
    QuestionKind.DESCRIPTION, QuestionKind.DIFFERENTIAL, QuestionKind.NORMALITY,
    QuestionKind.COMPARISON,
})  # fmt: skip
"""What this shows, what it is, whether it is normal: nobody asks that of Paris."""


_YES_OR_NO = frozenset({QuestionKind.PRESENCE, QuestionKind.CHOICE})


_HARM = re.compile(
    r"\b\w+(?:itis|oma|osis|pathy|plasia|toxicity)\b|\b(?:necrosis|toxicity|reaction|effects?"
    r"|changes?|response|complications?)\b",
    re.IGNORECASE,
)


def _names_finding(question: Question, asking: str) -> bool:
    """Whether it asks for something that a treatment may have done."""
    named = any(m.kind.is_finding and m.text in asking for m in question.mentions)
    return named or bool(_HARM.search(asking))


def out_of_scope(
    question: Question, request: str, kind: QuestionKind, domains: Domains | None
) -> OutOfScope | None:
    """Why a question is declined, or ``None`` where it is one for us.

    Args:
        question: routed, its terms recognised.
        request: the sentence that asks; empty where the text only describes a case.
        kind: what it would be, were it in scope.
        domains: where concepts belong.
    """
    if request and instruction_like(request):
        rule = "speaks to a program"
        return OutOfScope(rule, f"This speaks to a program and asks nothing medical. {INSTEAD}")
    plain = _HISTORY.sub(" ", request)
    letters = plain_letters(plain)
    for name, words in DECLINING.items():
        if words.search(letters):
            return OutOfScope(name, f"{_SENTENCES[name]}. {INSTEAD}")
    for name, sentence, words in _COMPILED:
        if words.search(plain):
            return OutOfScope(name, f"{sentence}. {INSTEAD}")
    if kind in _YES_OR_NO and _TREATS.search(plain) and not _names_finding(question, plain):
        return OutOfScope(
            "asks for a treatment", f"{_SENTENCES['asks for a treatment']}. {INSTEAD}"
        )
    if kind not in _ABOUT_AN_IMAGE and not _medical(question):
        return OutOfScope("is no medical question", f"{_COMPILED[-1][1]}. {INSTEAD}")
    asks_for_it = kind in (QuestionKind.PRESENCE, QuestionKind.CHOICE)
    return _against_image(question, domains) if domains is not None and asks_for_it else None


def _medical(question: Question) -> bool:
    """Whether there is an image, a known term, or a word that may be a medical one."""
    if question.query.image is not None or question.mentions:
        return True
    text = question.query.text[:_READ]
    if _MEDICAL.search(text) or _TREATS.search(text):
        return True
    return bool(_TERM.search(text.strip()) or _POINTING.search(text))


_CERTAIN = 0.9
"""How sure the classifier must be of an image before a question is held to contradict it."""


def _against_image(question: Question, domains: Domains) -> OutOfScope | None:
    """A finding that is none of the image's domain: pneumothorax, and a photograph of a retina.

    Only what belongs to one domain alone contradicts: a metastasis may be anywhere, and what
    pathology names is asked of radiographs too.
    """
    routing = question.routing
    shown = routing.decision
    if question.query.image is None or shown is None or not routing.medical:
        return None
    if routing.scores and routing.scores.get(shown, 0.0) < _CERTAIN:
        return None
    homes = {m.term: tuple(domains(m.concept)) for m in question.mentions}
    named = {term: home for term, home in homes.items() if home}
    foreign = all(len(home) == 1 and home[0] != shown for home in named.values())
    eyes = Domain.OPHTHALMOLOGY in (shown, *(d for home in named.values() for d in home))
    if not named or not foreign or not eyes:
        return None
    term = next(iter(named))
    return OutOfScope(
        "contradicts the image",
        f"The question asks for {term}, which is no finding of an image like this one ({shown}). "
        f"Ask what this image shows, or ask about {term} without the image.",
    )

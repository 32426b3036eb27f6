"""Words that ask for a kind of answer, in English: the first rule that fits decides.

The rules look at the words that ask ("is there", "what is", "or"), never at the findings, so that a
term that nobody foresaw changes nothing. :mod:`mmedrag.answers.romance` has those of two other
languages, :mod:`mmedrag.answers.scope` those that decline.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmedrag.types import QuestionKind

BY_MARK = "names a finding and a question mark"
"""The rule of a text that no other fits and that ends with a question mark."""

BY_VERB = "asks whether something is there"
"""The rule of yes-or-no questions, which any verb may follow."""

BY_NOTHING = "describes a case and asks nothing"
"""The rule of a text that no other fits."""

_BE = r"(?:is|are|was|were)"
_MODAL = r"(?:can|could|may|might|would|will|do|does|did|has|have|had)"
CASES = (
    r"(?:cases?|examples?|images?|pictures?|films?|studies|patients?|scans?|slides?|reports?"
    r"|photographs?|radiographs?|x-?rays?|others?|mris?|cts?|something)"
)
"""Nouns for what a collection holds."""

CASES_READ = (
    rf"(?:{CASES}|fund(?:us|i)|retinas?|eyes?|chests?|mammograms?|ultrasounds?|smears?|sections?"
    r"|biops(?:y|ies)|exam(?:ination)?s?|ecgs?|octs?|radiografias?|imagenes|imagens|imagen|imagem"
    r"|casos?|estudios?|estudos?|informes?|laudos?|exames?|laminas?|retinografias?|ojos?|olhos?"
    r"|torax|placas?|tomografias?|ecografias?|mamografias?|fondos? de ojo|fundos? de olho"
    r"|biopsias?)"
)
"""And for its images, in three languages, by what they show."""

_DISEASE = (
    r"(?:diagnos[ie]s|disease|diseases|condition|conditions|pathology|pathologies|disorders?"
    r"|entity|entities|syndrome|(?:tumou?r|cancer|neoplasm|malignancy|infection|lymphoma)s?)"
)
_PICTURE = (
    r"(?:image|picture|film|scan|slide|section|study|photograph|photo|radiograph|x-?ray|ct|mri|mr"
    r"|ultrasound|fundus|oct|biopsy|specimen|smear|mammogram|micrograph|retina|exam(?:ination)?)"
)


HELD = re.compile(
    r"\b(?:do|does|did) (?:(?:any|the|these|those|your|other) ){0,2}(?:reports?|cases?|records?"
    r"|studies) (?:say|state|mention|describe|report|write)\b"
    r"|\b(?:dicen|dizem|mencionan|mencionam|describen|descrevem) (?:los|estos|os|estes)"
    r" (?:informes|casos|laudos|relatorios|estudios|estudos)\b"
)
"""Asks what records say of something, in small plain letters."""

OF_RECORDS = "asks what the reports hold"
"""The name of that rule."""

OF_A_NUMBER = "asks how many cases there are"
"""The rule of questions that are counted (:mod:`mmedrag.answers.counting`)."""

OF_ASSOCIATIONS = "asks what goes with a finding"
"""The rule of questions that :mod:`mmedrag.answers.associations` reads."""

ABNORMAL = "abnormal"
"""The detail of a request for cases that are not normal."""

OF_ABNORMAL = "asks for cases that are not normal"
"""The name of its rule."""

_UNUSUAL = (
    r"(?:abnormal|non-?normal|pathologic(?:al)?|anormal(?:es)?|anormais|patologic[oa]s?"
    r"|alterad[oa]s?)"
)
OF_NORMAL = "asks for normal cases"
"""The rule of a request for normal studies."""

ALL_NORMAL = re.compile(
    r"^\W*(?:(?:show|find|list|give|get|see)(?: me)? |busca\w* |muestra\w* |mostr\w* )?"
    r"(?:an? |some |all |the |un[oa]? |cases? (?:of|with) (?:an? )?)?"
    rf"(?:(?:normal|healthy|unremarkable) (?:[\w-]+ ){{0,2}}?{CASES_READ}"
    rf"|(?!(?:not|no|nao|non) )(?:[\w-]+ ){{0,3}}?{CASES_READ}"
    r"(?: (?!not\b|no\b|nao\b)[\w-]+){0,2}?"
    r" (?:normal|normales|normais|san[oa]s?|saudave(?:l|is)|within normal limits))\W*$"
)
"""Names normal studies and nothing else, in small plain letters."""

NOT_NORMAL = re.compile(
    rf"\b{_UNUSUAL} (?:[\w&/-]+ ){{0,2}}?{CASES_READ}\b"
    rf"|\b{CASES_READ} (?:[\w&/-]+ ){{0,3}}?{_UNUSUAL}\b"
    rf"|\b{CASES_READ} (?:[\w&/-]+ ){{0,3}}?(?:not|no|nao)(?: (?:are|is|son|es|sao|e))?"
    r" (?:[\w]+ )?norma(?:l|les|is)\b"
    rf"|\bnot normal (?:[\w&/-]+ ){{0,2}}?{CASES_READ}\b"
)
"""Names cases that are not normal, in small plain letters."""

APART = re.compile(
    r"\bdifferences? between\b|\bdiffers? from\b|^(?:please |can you )*(?:compare|contrast)\b.*"
    r"\b(?:and|with|to|against|vs\.?|versus)\b|\bhow (?:do|does|can|to)\b.*\bdiffer\b"
    r"|\bdiferencias? entre\b|\bdiferen[cç]as? entre\b|^compar[ae]r?\b.*\b(?:y|e|con|com)\b",
    re.IGNORECASE,
)
"""Asks what tells findings apart: that is in their definitions."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Words that ask for one kind of answer; ``name`` is what the trace shows."""

    name: str
    kind: QuestionKind
    words: re.Pattern[str]


def rule(name: str, kind: QuestionKind, *patterns: str) -> Rule:
    """A rule that fits where one of the patterns does, whatever the case of letters."""
    return Rule(name, kind, re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE))


_K = QuestionKind
RULES: tuple[Rule, ...] = (
    rule(
        "compares with an earlier study",
        _K.COMPARISON,
        r"\bcompar(?:e|es|ed|ing|ison)\b.*\b(?:before|previous|prior|earlier|last|old|former"
        r"|baseline"
        r"|first|yesterday|19\d\d|20\d\d|ago)\b",
        r"\b(?:interval|any) (?:change|progression|growth|improvement)s?\b.*(?:\?|since|from|\.|$)",
        r"\b(?:changed?|progress(?:ed|ion)?|improv(?:ed|ing|ement)|worsen(?:ed|ing)|resolved?"
        r"|grown|increased?|decreased?|larger|smaller|bigger|better|worse|new|stable|regressed"
        r"|evolv\w+|different)\b.*"
        r"\b(?:relative to|than (?:before|on|at|in|last)|since|over time|over the (?:last|past)"
        r"|yesterday"
        r"|(?:from|to|with|than) (?:the |a |his |her )?(?:last|previous|prior|earlier|old|first"
        r"|baseline)|compared)\b",
        r"\b(?:getting|become|gotten|got) (?:any )?(?:better|worse|larger|smaller|bigger)\b",
        r"\bcompare (?:both|the two|these two|them|the studies)\b|\bwhat(?:'s| has"
        r"| is)? (?:changed|new)\b",
        r"^(?:has|have|did)\b.*\b(?:smaller|larger|bigger|better|worse|progressed|improved"
        r"|worsened|resolved?|grown|regressed|changed"
        r"|increased|decreased|shrunk)\b",
        r"^(?:is|are)\b(?!.*\bor\b).*\b(?:new|unchanged|stable|progressing|improving|worsening"
        r"|growing)\s*\?",
        r"^(?:any )?(?:progress(?:ion)?|regression|change|growth|improvement)s?\?$",
        r"\bcompare (?:this|it|that|these) (?:with|to|against)\b|^did\b.*\bclear(?: up)?\W*$",
        r"^(?:has|have|did|is|are)\b.*\b(?:go(?:ne)? (?:away|down|up)|went (?:away|down|up)"
        r"|disappear(?:ed)?|come back"
        r"|came back|recur(?:red)?|cleared up)\b",
        r"\bhow (?:does|do)\b.*\bcompare\b|\bhow (?:has|have|did)\b.*\b(?:changed?|evolved?"
        r"|progress(?:ed)?)\b",
        r"^(?:is|are)\b.*\b(?:resolving|clearing|healing|shrinking|regressing|recovering"
        r"|spreading)\b",
        r"^(?:stable|unchanged|better|improved|regressing) or (?:progress\w*|worse\w*|changed"
        r"|growing)|\b(?:difference|changes?)\b.*\b(?:from|since|to|with)\b.*\b(?:earlier"
        r"|previous|prior|last|old|first)\b",
        r"\bdid\b.*\b(?:shrink|grow|change|improve|worsen|progress|resolve|respond|help|work)\b",
    ),
    rule(
        "asks for one of two",
        _K.CHOICE,
        r"\b(?:vs\.?|versus)(?=\s)",
        r"\b(?:distinguish|differentiate|tell|decide|choose)\b.*\b(?:between|from)\b.*",
        r"\bwhich (?:is|of|one|fits|seems|looks|would|diagnosis)\b.*\bor\b",
        rf"^(?:{_BE}(?! there\b)|{_MODAL}(?! (?:you|i|we) (?:see|find)\b)|should)\b"
        r"(?!.*\b(?:yes or no|and/or|right or left|left or right"
        r"|left or the right|or not|normal or abnormal|abnormal or normal)\b)"
        r"(?!.*\b(?:visible|present|seen|there|identified|evident)\W*$)[^.?!]*\bor\b",
        r"^(?!(?:any|is there|are there|evidence|signs?)\b)(?!.*\b(?:yes or no|and/or|or not"
        r"|stable or|unchanged or"
        r"|right or left|left or right|with or without|normal or abnormal|one or more)\b)"
        r"(?!.*\b(?:visible|present|seen|there|identified|evident)\W*$)"
        r"(?:[\w'’/-]+ ){0,5}[\w'’/-]+,? or [\w'’/-]+(?: [\w'’/-]+){0,5} ?\?$",
        r"\bor\b.*\bwhich (?:is it|one|of (?:them|these|the two))\?*$",
        r"^[\w'’ -]{3,40}\? or [\w'’ -]{3,40}\?$",
        r"^[^\W\d_][\w' -]{2,30} ?/ ?[^\W\d_][\w' -]{2,30}\?$",
        r"\b(?:favou?r|prefer|more likely|rather|more like)\b.*\b(?:over|than|or)\b",
        r"^(?:please )?(?:choose|pick|decide|select)\b.*\bor\b",
    ),
    rule(
        "asks for a meaning",
        _K.DEFINITION,
        r"(?<!well )(?<!well-)(?<!ill )(?<!ill-)(?<!poorly )(?<!poorly-)(?<!sharply )\bdefin(?:e"
        r"|ed|ition|itions)\b|^(?:glossary|dictionary|meaning|term)\b",
        r"\bmeant by\b|\bmeaning of\b|\bmean by\b",
        r"\bwhat (?:does|do)\b.*\b(?:mean|stand for|call)\b|\bwhat is called\b",
        r"(?<!might )(?<!could )(?<!may )(?<!would )(?<!can )\bexplain\b"
        r"(?! (?:this|the (?:image|findings?|picture|scan|appearance))\b)",
        r"^(?:in (?:simple|plain|lay|short) \w+,? )?(?:please )?(?:what(?:'s|’s|s| is| are)"
        r"|what exactly (?:is|are)) (?!(?:wrong|the|in (?:the|this)|this|that|these|those|it|here"
        r"|causing|behind"
        r"|going on|new|seen|shown|visible|present|abnormal|your|my|his|her|he|she|we|depicted"
        r"|displayed|illustrated|pictured|possible|likely|probable|common|typical|main|top)\b)"
        r"[^?]{2,80}\??$",
        r"\btell me what\b.*\b(?:is|are|means?)\b",
        r"\b(?:qu[eé] es|qu[eé] significa|o que [eé]|qu'est-ce que?|was ist|che cos'[eè]"
        r"|cos'[eè])\b",
        r"\b(?:abbreviation|acronym|meaning)s?\W*$|\b(?:medical|technical|proper|correct) (?:word"
        r"|term|name) for\b",
        r"\b(?:tell me|know|say something|learn) (?:\w+ )?about (?:the )?(?:term|word|sign"
        r"|expression|abbreviation)\b",
        r"^(?:in|using) (?:a )?(?:layman'?s?|lay|simple|plain|easy|everyday) [^,]{2,20},? what\b",
        r"(?<!would )(?<!could )(?<!might )(?<!can )\bexplain,?(?: please| to me)?\W*$"
        r"|\bnever heard of\b|\bwhat(?:'s| is) (?:the )?(?:difference in )?meaning\b",
        r"\b(?:know|heard|understand) (?:the|this|that) (?:word|term|abbreviation)\b",
        r"\bteach me\b|\b(?:what|which) (?:is|are|does|do) (?-i:[A-Z]{2,6})\W*$",
        r"\bstands? for\b|\b(?:not sure|don.t know|no idea|unsure|forgot"
        r"|wonder) what\b[^.?!]*\b(?:means?|is|are)\b|\bwhat (?:is|do you) (?:it "
        r"|you )?call(?:ed)?\b[^.?!]*\b(?:when|if)\b",
    ),
    rule(
        "asks whether all is normal",
        _K.NORMALITY,
        rf"^(?:{_BE}|does|do|would|could|can)\b[^.?!]*\b(?:normal|healthy|unremarkable|ok|okay"
        r"|all right|fine|alright|clear|abnormal)\s*(?:$|[?,.]|(?:to|or|in|for|at)\b|(?:chest"
        r"|x-?ray|film|study|image|scan|fundus|retina"
        r"|slide|tissue|section|exam\w*|ct|mri|eye|lung|heart|brain|appearance|finding|report"
        r"|radiograph|smear)\b)",
        r"^(?:is|are) (?:this|that|it|these|those) (?:an? )?normal\b[^?]*\?",
        r"^no (?:abnormalit(?:y|ies)|patholog(?:y|ies)|findings?)\b[^.]*\?",
        r"\b(?:anything|something|everything|nothing) (?:is |be |at all )?(?:wrong|abnormal|normal"
        r"|unusual|ok|fine|suspicious)\b|\ball (?:clear|normal|fine|good|ok)\b",
        r"\b(?:any|some) (?:obvious |other |visible |significant )?(?:abnormalit(?:y|ies)"
        r"|abnormal findings?|patholog(?:y|ies)|problems?|issues?)\b",
        rf"^(?:{_BE}|does|do)\b[^.?!]*\b(?:of normal \w+|normal (?:by|to|under))\b",
        r"^normal\b[^.]*\?$|\bnormal or (?:abnormal|not|pathological)\b|\babnormal or normal\b",
        r"\bwithin normal limits\?",
        r"^nothing (?:to (?:see|report|worry)|else|there|here)\b|\bnothing (?:wrong|abnormal"
        r"|there|here)\b",
        r"\b(?:anything|something|it|this)\b[^.?!]*\blooks? (?:off|odd|strange|weird|funny"
        r"|suspicious|dodgy|fishy)(?: here| to you)?\W*$",
        r"\b(?:sign|pass|report|call|clear) (?:this|it|that|these)\b.*\b(?:normal|clear|off)\b",
        rf"^(?:{_BE}|does|do)\b[^.?!]*\b(?:clean|as (?:it|they) should|intact and normal)\s*\?*$",
        r"^no (?:pathology|abnormality|findings|disease|problem)s?,? (?:correct|right"
        r"|is that right)\b",
        r"^(?:is |are )?everything\b|\bout of the ordinary\b|\b(?:looks?|seems?) (?:fine|normal"
        r"|ok|okay|good|healthy)\b[^.]*\?",
        r"\b(?:red|warning) flags?\b|\b(?:anything|something) (?:to worry about|of (?:note"
        r"|concern)|alarming|worrying)\b|\babnormal in any way\b",
        r"\bworr(?:y|ied) about (?:anything|something)\b|^(?:healthy|clear|fine|clean|ok|okay"
        r"|unremarkable)\b[^.]{0,30}\?$",
    ),
    rule(
        "asks for cases",
        _K.SEARCH,
        rf"\b(?:find|show|list|give|search|retrieve|display|need|get|fetch|look|see|have|pull up)\b"
        rf"(?: \w+){{0,3}}? (?:for |of )?(?:\w+ ){{0,3}}{CASES} (?:like|of|with|similar|where|that"
        r"|which|in|from|without|showing|resembling|having|as)\b",
        rf"\b(?:similar|comparable|other|more|such) (?:\w+ )?{CASES}\b",
        rf"^{CASES} (?:that|like|similar|with|of|resembling|showing|where)\b",
        r"\b(?:more|any(?:thing)?|others?) (?:like|similar)\b|\blook-?alikes?\b",
        r"^(?:please )?(?:find|search|retrieve|list(?! \w*(?:disease|cause|diagnos|condition"
        r"|differential))|look up|pull up|browse"
        r"|(?:i'?m |i am |we are )?looking for (?!a side\b|evidence|signs?\b)(?:\w+ ){0,2}?(?:cases"
        r"|examples|images|histology|patients|films|pictures|slides|scans"
        r"|reports)|i(?:'m| am) looking for)\b",
        r"^(?:please )?show (?:me )?(?!\bme\b|what\b|whether|if\b|where)\w+",
        rf"\bwhich (?:\w+ )?{CASES} (?:show|have|contain|with|are|had|depict)\b",
        rf"\bhow many (?:\w+ )?{CASES}\b",
        r"\bare there (?:any |other )?(?:cases|patients|examples)\b|^any (?:other "
        r"|more )?(?:cases|examples)\b",
        r"\b(?:got|have you|are there|is there)\b (?:\w+ ){0,3}?(?:cases?|examples?|others"
        r"|patients) (?:of|with|like|similar)\b",
        rf"\b(?:want|need|like) (?:\w+ ){{0,3}}?{CASES} (?:of|for|with|like|on)\b",
        r"\b(?:anything|something|ones?) (?:similar|alike|comparable)\b",
        r"\bwhich (?:\w+ )?(?:reports?|cases?|studies|patients?|records?)\b[^.?!]*\b(?:mention"
        r"|describe|report|state|include|affirm)",
        r"^(?:please )?(?:pull up|bring up|load|open) \w+",
        r"^(?:show|see|find) (?:some |any )?(?:more|others)$",
    ),
    rule(
        "asks for diagnoses",
        _K.DIFFERENTIAL,
        r"\b(?:differentials?|ddx|d/dx|dd|[ae]{1,2}tiolog(?:y|ies))\b|\bdiagnos(?:is|es|e)\b",
        r"\b(?:what|which|name|suggest|likely|likeliest|possible|probable|best|give|list|final"
        r"|working|top)\b(?! (?:\w+ )?(?:grade|stage|severity|degree|score)\b)"
        rf"[^.?!]*\b{_DISEASE}\b",
        rf"^{_DISEASE}\??$|\bcauses? of\b|\bpossible (?:causes?|reasons?|explanations?)\b"
        rf"|\btop of (?:your|the) list\b",
        r"\b(?:what|which)\b[^.?!]*\b(?:cause[sd]?|causing|explain|produce|responsible|reasons?"
        r"|underl(?:ie|ies|ying)|behind)\b",
        r"\bwhat (?:else )?(?:could|may|might|would|can) (?:it|this|that|these|they|he|she)\b[^?]*"
        r"\b(?:be|have|represent|indicate|mean|suggest)\b",
        r"\bwhat (?:does|do|would|might|could|may|can)\b[^?]*\b(?:suggest|indicate|imply|hint at"
        r"|point to(?:wards?)?|go with|speak for|be due to|come from|result from|signify)\b",
        r"\bwhat (?:is|are) (?:it|this|that|these|they|we) (?:likely|probably|most likely"
        r"|dealing)\b",
        r"\b(?:what|which\b.*) should (?:be|i|we|one) (?:considere?d?|thought of|think of"
        r"|suspect(?:ed)?)\b"
        r"|\bwhat to (?:consider|think of)\b",
        r"\bwhat would (?:you|one|i|we) (?:consider|suspect|think|diagnose)\b|\bwhat happened\b",
        r"\b(?:what|any idea what)\b[^.?!]* (?:could|might|may) (?:be|this be)\b",
        r"\bwhat(?:'s|’s| is) (?:wrong|the matter)\b|^why (?:is|are|does|do|would|might|could|has"
        r"|have|should)\b",
        r"\bwhat (?:does|do|has|might|could) (?:he|she|the (?:\w+ )?patient|this (?:\w+ )?patient"
        r"|they)"
        r" (?:have|has|got|suffer)\b",
        rf"\bwhat (?:type|kind|sort|subtype|class) of (?:\w+ )?(?:{_DISEASE}|lesion|mass|growth)\b",
        r"^(?:impression|your impression|dx|assessment|conclusion)\s*[?:.]?$",
        r"^(?:any )?(?:thoughts|ideas|suggestions|guess(?:es)?|opinions?|suspicions?)(?: (?:on"
        r"|about) (?:this|that|the|it|these)\b.*)?\W*$"
        r"|\b(?:best|first|educated) guess\b",
        r"\bcomes? to (?:your )?mind\b|\b(?:am|are) (?:i|we) dealing with\b|\bnarrow (?:it|this"
        r"|that) down\b",
        r"\bon (?:the|your|my) list\b|\bhad to (?:name|pick|choose|guess|bet)\b|\b(?:your"
        r"|an) opinion\b",
        r"\b(?:what|which)\b[^.?!]*\b(?:present|look|appear)s? like (?:this|that)\b",
        r"\bideas? (?:what|about)\b|\bwhat do you (?:think|make of|suspect|reckon)\b"
        r"|\b(?:possibilities|hypothes[ie]s|suspicions?|explanations?)\b",
        r"\b(?:would|could|might|may|disease|that|which|one) (?:\w+ )?explains? (?:all|everything"
        r"|this|these|it|the)\b|^(?:please )?(?:list|name|rank|give)\b[^.?!]*\b(?:diseases?"
        r"|disorders?|conditions?|diagnoses|causes?|tumou?rs|entities)\b",
        r"\bwhat (?:might|could|may) (?:it|this|that) be\b",
        r"\bwhat\b[^.?!]*\b(?:is|are)\b[^.?!]*\b(?:likely|probably|supposed) (?:to be\b|\w*\?*$)"
        r"|\b(?:ideas|thoughts|suggestions|guess(?:es)?)\?*$",
        r"\b(?:what|which) (?:sort|kind|type|form|variety) of (?:\w+ ){1,4}(?:is|are|might"
        r"|could)\b|\bfigure out what\b"
        r"|\bwhat(?:'s|’s| is| are) causing\b",
    ),
    rule(
        "asks for a description",
        _K.DESCRIPTION,
        r"\bwhat (?:else )?(?:do|does|did|can|could|would|is|are|am|changes?|abnormalit(?:y|ies)"
        r"|findings?|signs?|features?|you|i)\b[^.?!]*\b(?:see|seen|show|shows|shown|visible|depict"
        r"|depicted|looking at|present|observe|observed|find|findings?|demonstrate|demonstrated"
        r"|reveal|revealed|noted|depicted|displayed|illustrated|pictured|going on|notice)\b",
        r"\b(?:which|what) (?:\w+ ){0,2}(?:abnormalit(?:y|ies)|findings?|changes?|signs?"
        r"|features?)\b",
        r"\bdescri(?:be|ption)\b|\binterpret(?:ation)?\b|\bsummari[sz]e\b|\b(?:walk|talk"
        r"|take) me through\b",
        r"\b(?:report|read|comment(?:s)?(?: on)?|analy[sz]e|assess|review|evaluate|go through)\b "
        rf"(?:on )?(?:this|the|my|these)\b[^.?!]*\b{_PICTURE}s?\b",
        r"\b(?:write|generate|draft|produce|create|make|give)\b[^.?!]*\b(?:report|findings?"
        r"|impression)\b",
        rf"^what(?:'s|’s|s| is| are)? (?:is )?(?:in |on |about )?(?:this|that|it|these"
        rf"|the (?:\w+ )?{_PICTURE})\b[^.?!]{{0,40}}\??$",
        rf"\b(?:tell me (?:more )?about|explain) (?:this|the|these) (?:{_PICTURE}|findings?"
        rf"|appearances?)",
        r"^(?:please )?report(?: please| this)?\W*$|\bwhat (?:is|looks) abnormal\b"
        r"|\bwhat do we have\b"
        r"|\b(?:what|which) (?:structures?|cells?|organs?|tissues?)\b",
        r"^(?:findings?|description|report)\s*[?:.]?$",
        r"\bwhat (?:stands out|catches|strikes|jumps out)\b",
        r"\b(?:talk|walk|take|guide|lead|run) (?:me|us) (?:through|over)\b|\bdictate\b",
        r"\bwhat (?:can|could|may) be (?:\w+ )?(?:made out|recogni[sz]ed|identified|distinguished"
        r"|appreciated|discerned)\b",
        r"^(?:please )?(?:read|report|interpret|look at|analy[sz]e) (?:this|it|that"
        r"|these)(?: one)?(?: for (?:me|us))?\W*$",
        r"\bwhat should (?:i|we|one) (?:be )?(?:look|see|notice|pay attention)\w*\b|\bwhat(?:'s"
        r"| is) going on\b",
        r"\bwhat\b[^.?!]*\b(?:organs?|structures?|layers?|bones?|vessels?|cells?) (?:are|is|can"
        r"|do)\b",
        r"\b(?:go|walk|run) (?:over|through) (?:this|the|these|it)\b|\bpoint (?:out|at|to)\b"
        r"|\barrows?\b|^(?:which|what) (?:tissue|organ|structure|cell|layer|part|region|view"
        r"|plane|stain|modality)\b",
        r"\bwhat (?:is|are) the (?:\w+ )?(?:areas?|regions?|spots?|shadows?|lines?|changes"
        r"|findings|features|abnormalities|dots|dark|white|bright)\b",
        r"^(?:please )?(?:caption|annotate|label|narrate)\b|\bwhat(?:'s|’s| is| are) (?:visible"
        r"|seen|shown|present|there)\b",
    ),
    rule(
        "asks for a side",
        _K.PRESENCE,
        r"\b(?:which|what) (?:of the (?:two )?)?(?:sides?|eyes?|lungs?|kidney|breast|hemisphere"
        r"|lobe)\b|\bon which\b",
        r"\b(?:left or (?:the )?right|right or (?:the )?left|unilateral or bilateral|laterality)\b",
        r"^where (?:is|are|'s)\b",
    ),
    rule(
        "asks for a grade",
        _K.PRESENCE,
        r"\b(?:what|which|give|state|determine)\b[^.?!]*\b(?:grade|stage|severity|degree|score)\b",
        r"\bhow (?:severe|bad|advanced|large|big|marked|extensive|well[- ]differentiated"
        r"|differentiated|small)\b|\bgrade of\b",
        r"^(?:[\w'-]+ ){0,3}(?:grade|stage|score|severity|class(?:ification)?)(?: please)?\W*$",
        r"^(?:please )?(?:grade|stage|classify|score) (?:the|this|it)\b",
    ),
    rule(
        "asks what something is",
        _K.DEFINITION,
        r"^(?:please )?what(?:'s|’s|s| is| are) the (?!.*\b(?:of|in|on|for|to"
        r"|with)\b)[^?]{2,60}\??$",
    ),
    rule(
        BY_VERB,
        _K.PRESENCE,
        rf"^(?:and |so |or |but |also |then |please )?(?:{_BE}|{_MODAL}|isn't|aren't|doesn't"
        rf"|don't)\b",
        r"\b(?:rule out|r/o|exclude|check for|look(?:ing)? for|screen for|evaluate for|assess for"
        r"|confirm|whether|if there(?:'s| is| are| might))\b",
        r"^(?:any|evidence of|signs? of)\b|^no\b[^.]*\?|\byes or no\b|\bpresent\?$"
        r"|\b(?:is|are) there\b",
        r"^(?:and |so |but )?(?:what|how) about\b|^and (?:the|on|in|at|of) (?:\w+ ?){1,5}\??$"
        r"|,? (?:right|correct|no|yes|is (?:it|there|that)|are there|can you|do you|or not)\?$",
        r"^(?:without|absence of|absent|presence of)\b[^.]*\?",
        r"^(?:please )?(?:check|inspect|examine|scan) (?:the|this|these|both) [^.?!]*\bfor\b",
        r"^(?:please )?(?:verify|make sure|tell me (?:if|whether)|see (?:if|whether)"
        r"|double[- ]check)\b",
        r"\b(?:y/n|yes/no)\W*$|^any chance of\b",
    ),
)
"""Every rule, in the order in which they are tried."""

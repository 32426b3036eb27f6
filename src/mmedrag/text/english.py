"""The rules of English (see :mod:`mmedrag.text.assertions` and, for the notation, ``phrases``)."""

from __future__ import annotations

import re

from mmedrag.text.phrases import MENTION
from mmedrag.text.rules import Asks, Limit, Rule, Rules, Stop, questions, stops, triggers
from mmedrag.types import Assertion

LISTS = {
    "semicolon": ";",
    "mention": MENTION,
    "fine": "preserved|intact|maintained|patent|unremarkable|normal|clear|flat|attached|healthy"
    "|dry|quiet",
    "be": "is|are|was|were|be|been|being|is now|are now",
    "one": "is|was|has been|had been",
    "many": "are|were|have been",
    "have": "has|have|had",
    "ask": "is|are|was|were|does|do|did|has|have|had|can|could|would|should|may|might|will|any|am",
    "state": "seen|identified|present|observed|detected|demonstrated|visualized|visible|evident"
    "|appreciated|noted|found|apparent|shown|established|recognized|demonstrable|discernible"
    "|discerned|depicted|documented|encountered|reported|revealed|detectable|palpable|noticed"
    "|displayed|discovered|visualised well|made out|conspicuous|measurable",
    "verb": "is|are|was|were|has|have|had|show|shows|showed|demonstrates|demonstrated|reveals"
    "|revealed|confirmed|disclosed|remains|appears"
    "|seems|measures|contains|suggests|confirms|represents|indicates|makes|point to",
    "change": "change|changes|increase|increases|decrease|growth|enlargement|improvement"
    "|resolution|progression|worsening|regression|reduction|response|deterioration|expansion"
    "|clearing|shrinkage|healing|reversal|alteration|difference|rupture|migration|reaccumulation"
    "|extension|advancement|complication|complications|loosening|displacement|redistribution"
    "|conversion|treatment|need|reason|interval change",
    "gone": "resolved|cleared|disappeared|resorbed|reabsorbed|subsided|vanished|abated|gone away",
    "wish": "until|till|unless|once|to ensure|to confirm|to document|to verify|to make sure"
    "|to be sure|to see that|to establish",
    "partly": "not|not yet|never|nearly|almost|partially|partly|largely|mostly|incompletely"
    "|not completely|not entirely|not fully|only partially|substantially|near completely"
    "|nearly completely|almost completely|almost entirely|not yet completely|not yet fully|all but"
    "|virtually|practically",
    "sign": "evidence|sign|signs|features|findings|suggestion|suspicion|indication|stigmata|trace"
    "|hint|appearance|appearances|proof",
    "doubt": "possible|possibly|probable|probably|likely|presumed|suspected|questionable|perhaps",
    "earlier": "prior|previous|earlier|old|older|last|initial|preceding|outside|recent",
    "study": "study|studies|exam|exams|examination|examinations|film|films|ct|mri|mr|radiograph"
    "|radiographs|scan|scans|imaging|report|reports|image|images|ultrasound|record|records"
    "|mammogram|x ray|cxr",
    "relative": "mother|father|sister|brother|sibling|siblings|parents|parent|aunt|uncle|cousin"
    "|grandmother|grandfather|grandparent|grandparents|son|daughter|brothers|sisters|aunts|uncles"
    "|cousins|sons|daughters|twin|niece|nephew|grandmothers|grandfathers|grandson|granddaughter"
    "|half brother|half sister|mother's|father's|sister's|brother's",
    "ago": "years|months|weeks|decades|days",
    "person": "patient|man|woman|child|boy|girl|male|female|infant|adult|smoker|case|person"
    "|lady|gentleman",
    "rule": "excluded|ruled out|dismissed|discounted",
}

_SAME = {
    "visualised": "visualized", "visualise": "visualize", "characterised": "characterized",
    "recognised": "recognized", "favour": "favor",
    "favours": "favors", "favoured": "favored", "favouring": "favoring", "neg": "negative",
    "nonvisualized": "not visualized", "unchanged": "unchanged", "pos": "positive",
    "pt": "patient", "susp": "suspected", "poss": "possible", "prob": "probable",
    "hx": "history", "h/o": "history of", "eval": "evaluate", "s/p": "status post",
    "w/o": "without", "wo": "without", "fhx": "family history",
    "fh": "family history", "pmh": "medical history", "sans": "without",
    "what's": "what is", "there's": "there is", "where's": "where is",
}  # fmt: skip

_TURNS = """<semicolon> ; : ; – ; but ; however ; although ; though ; yet ; except ; apart from
    ; aside from
    ; other than ; nevertheless ; nonetheless ; otherwise ; whereas ; while ; which ; because
    ; since ; secondary to ; due to ; despite ; in spite of ; instead ; still ; therefore ; thus
    ; hence ; given
    ; in view of ; in the setting of ; in a background of ; on a background of ; arguing
    ; diagnostic of ; together with ; along with ; in addition to ; in keeping with
    ; consistent with ; compatible with ; besides ; regardless of ; even though ; unless
    ; on the other hand"""
_CLAUSES = """, [there|the|this|these|it|its|stable|unchanged|now|with|she|he|patient|likely
    |possible|possibly|probable|probably|suspected|no|without|not|status post|prior|so|positive
    |immunoreactive|expresses|expressing|mother
    |father|brother|sister|son|daughter|only|just|normal|also|again|persistent|known|consistent
    |actually]
    ; , and [there|the|this|these|it|its|stable|unchanged|now|with|she|he|patient|likely
    |possible|possibly|probable|probably|suspected|no|without|not|status post|prior|so]"""
_ITEMS = """[,|, and] [mild|moderate|severe|small|large|minimal|right|left|bilateral|both|old|new
    |chronic|healed|remote|simple|tiny|multiple|several|scattered|diffuse|few|a few|residual
    |incidental|a|an]"""
_LOCATIONS = """[in|at|within|along|around|under|beneath|behind|over] [the|either|both|this|that|her
    |his]"""
_AND_CLAUSES = """and [there|the|this|is|are|was|were|has|show|shows|stable|unchanged|a|an|possibly
    |probably|likely|perhaps|possible|probable|suspected|with|positive|reactive|immunoreactive
    |expresses|express|expressing|strongly|diffusely|focally|weakly|showed|revealed|reveals
    |demonstrated|demonstrates|found|confirmed|confirms|disclosed|identified]"""
_AS_IT_SHOULD_BE = """, ... <fine>; , ... <mention> <fine>; , ... <mention> [is|are] <fine>"""
_SUBJECTS = "<mention> [show|shows|demonstrate|demonstrates|reveal|reveals|contain|contains]"
_MODIFIERS = """<mention> <sign>; <mention> [or|and|,] <mention> <sign>; <mention> [criteria
    |correlate|confirmation]; <mention> , <mention> or <mention> <sign>"""
_STATED = """<verb> <state> ; <state> [,|and] ; , <mention> <verb> ; , <mention> positive
    ; , <study> <verb> ; , <study> positive
    ; , <mention> notwithstanding ; , <mention> <mention> notwithstanding
    ; [would|will] [require|need]; [is|was|are|were] [in fact|actually|really]; turned out; proved
    ; [is|are|was|were] [notable|remarkable|unusual|striking
    |surprising|typical|atypical|helpful|reassuring|important|significant]"""
_PRESUPPOSED = """to [explain|account for] ; [component|cause|reason|explanation] [to|for|of]
    ; complicating ; accompanying ; surrounding
    ; of [the|this|that|these|those|his|her|known|previously]
    ; as a cause of ; as the cause of ; [after|following|before] ; on"""

_ANEW = "[this|it|these|those] [is|are|was|were|represents|represent|proved]"

_LIST = frozenset({"or", "nor", "and"})
_OR = frozenset({"or", "nor"})

AFTER_NEGATION = Limit(
    stops(
        LISTS,
        (Stop.ENDS, _TURNS),
        (Stop.ENDS, _CLAUSES),
        (Stop.ENDS_UNLESS_LISTED, _ITEMS),
        (Stop.SKIPS, _LOCATIONS),
        (Stop.ENDS, _AND_CLAUSES),
        (Stop.ENDS, _AS_IT_SHOULD_BE),
        (Stop.ENDS, _STATED),
        (Stop.ENDS, _PRESUPPOSED),
        (Stop.ENDS, _ANEW),
        (Stop.ENDS, "with"),
        (Stop.PASSES, _MODIFIERS),
        (Stop.PASSES, _SUBJECTS),
    )
)
# "Without old films, pneumonia ..." is over at the comma, "Without mass, cyst or nodule" is not.
AT_THE_BEGINNING = Limit(
    stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS_UNLESS_LISTED, ","), (Stop.SKIPS, _LOCATIONS))
)
AFTER_DOUBT = Limit(
    stops(
        LISTS,
        (Stop.ENDS, _TURNS),
        (Stop.ENDS, _CLAUSES),
        (Stop.ENDS_UNLESS_LISTED, _ITEMS),
        (Stop.ENDS, _AND_CLAUSES),
        (Stop.ENDS, _STATED),
        (Stop.ENDS, "with"),
        (Stop.SKIPS, _LOCATIONS),
    )
)
AFTER_PAST = Limit(
    stops(
        LISTS,
        (Stop.ENDS, _TURNS),
        (Stop.ENDS, _CLAUSES),
        (
            Stop.ENDS,
            """[presents|presenting|presented|current|currently|today|now|new|with]
            ; for evaluation; [is|are|has|have|show|shows|remain|remains|appear|appears
            |demonstrates]""",
        ),
    )
)
_BACK = "there; <verb>; with; without; no; not; cannot; <mention> [the|his|her|these|this]"
BEFORE = Limit(
    stops(
        LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _BACK), (Stop.ENDS, "compared; comparison; versus")
    )
)
BEFORE_LIST = Limit(stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _BACK)), _LIST)
BEFORE_SINGULAR = Limit(stops(LISTS, (Stop.ENDS, _TURNS), (Stop.ENDS, _BACK + "; and")), _OR)
SENTENCE = Limit(stops(LISTS, (Stop.ENDS, "<semicolon>; but; however")))
AFTER_RELATIVE = Limit(
    stops(
        LISTS,
        (
            Stop.ENDS,
            "<semicolon>; but; however; whereas; while; patient; she; he; exam; examination",
        ),
    )
)
ADJACENT = Limit(stops(LISTS, (Stop.ENDS, ", ; but ; – ; :")))

PSEUDO = """
    no [view|views|visualization|assessment|light]
    ; free [air|fluid|gas|intraperitoneal|edge|wall|flap|body|bodies|fragment|fragments|t4|t3|psa
    |text]
    ; [no|without] ... <sign> of <change>; [no|without] ... <sign> of ... <change>;
    [no|without] <change>; [no|without] ... <change>; [no|without] ... <change> [in|of|to|from|for]
    ; not ... changed; not all; not every; not only; not just; not merely; not necessarily
    ; not simply
    ; without difficulty; without incident; gram negative; negative pressure; false negative
    ; no doubt; no question [that|about|this|it|of a]; beyond [doubt|question]
    ; without [doubt|question|a doubt|any doubt]
    ; [bone|blood|volume|height|weight|hearing|hair|tooth|signal] loss of
    ; not [fully|completely|entirely] [imaged|included|covered|evaluated|assessed|visualized
    |characterized|seen]; compared [to|with] ... prior; comparison [to|with] ... prior
    ; since [prior|previous]; since ... prior; <earlier> <study>; <earlier> ... <study>; prior to
    ; earlier than; the prior; the previous
    ; previously <state>; previously [described|mentioned|known|questioned|suspected|measured]
    ; <state> previously; described previously
    ; [not|never|no longer] <state> [previously|before|earlier|then|at that time]
    ; not [previously|formerly]
    ; [not|never] ... <state> [on|in] [prior|previous|earlier|old|older|last|initial|outside]
    ; [not|never] ... <state> [on|in] [the|a|an|any|his|her] <earlier>
    ; [not|never] ... <state> on [the|any] ... <earlier>
    ; not <state> [yesterday|initially|at presentation|at first|on admission|last|in 0year]
    ; [partial|incomplete|near complete|slow|delayed] [resolution|clearing|regression] of
    ; <partly> <gone>; not ... <gone>; <have> ... not <gone>; <have> <partly> <gone>
    ; <have> not ... <gone>; <be> <partly> <gone>
    ; <wish> ... <mention> <have> <gone>; <wish> ... <mention> <have> ... <gone>
    ; <wish> ... <mention> <be> <gone>; <wish> ... <mention> [resolve|resolves|clear|clears]
    ; [until|till] <gone>; [until|till] [it|this|they|these] ... <gone>
    ; [did|does|do] not ... [resolve|clear|disappear|regress|subside|improve|change]
    ; <have> [gone|cleared] [through|into|on|to|beyond|past|up|down]
    ; resolving; sister mary joseph; sister chromatid; daughter [cell|cells|cyst|cysts]
    ; ? yes $; natural history of; if clinically [indicated|warranted]
    ; if [needed|necessary|indicated]
    ; negative [margin|margins|node|nodes|lymph|predictive]; not well; not as well
    ; not clearly due; not limited to; [not|no] as [prominent|large|big|extensive|marked|severe
    |conspicuous|dense]; [no|not] [smaller|larger|bigger|worse|better|greater]
    ; likely benign; without [contrast|intravenous contrast|iv contrast|gadolinium|oral contrast]
    ; not ... [involve|involving]; [year|years|yr|month|months|week|weeks|day|days] old
    ; differential [for|of]; differential diagnosis [for|of]; history and physical
    ; [in|since|from|until|till|of|by|last|early|mid|late|through] may [,|.|–|)]
    ; [since|until|last|early|mid|late] may; no [reflow|show]
    ; not uncommon; not unusual; not infrequent; not [insignificant|negligible]
    ; no longer [increasing|enlarging|growing|progressing|worsening|expanding|improving|decreasing]
    ; no less than; not less than; no fewer than; no more than; with or without; no longer than
    ; past [week|weeks|month|months|day|days|few]; previous operator
    ; questions [answered|addressed|were]; absent from; without delay; without exception
    ; patient's [mother|father|wife|husband|son|daughter] [was|were] [notified|informed|called]
    ; <relative> [was|were] [notified|informed|called|told|contacted]
"""

_N, _U = Assertion.NEGATED, Assertion.UNCERTAIN
_H, _O = Assertion.HISTORICAL, Assertion.OTHER_PERSON

RULED_OUT = (
    Rule(_N, True, AFTER_NEGATION, 24),
    """
    no; not; without; nor; neither; none of; never; zero; nil; absent; unaccompanied by
    ; no ... <sign> [of|for|to suggest|to support|to indicate]; no ... <sign>
    ; no ... [consistent with|compatible with|in keeping with|suggestive of|suspicious for
    |suspicious of|concerning for|indicative of|diagnostic of|worrisome for|to suggest
    |to indicate|typical of|characteristic of]
    ; no suspicion [of|for]; without ... <sign> [of|for|to suggest]
    ; lack of; lack; lacks; lacking; lacked; absence of; negative for; negative as to
    ; negative with [respect|regard] to; negative ... for; negative regarding
    ; negative <mention> for; negative [by|on|at|in] <mention> for
    ; misdiagnosed as; , ruling out
    ; [thus|thereby|hence|effectively|essentially] ruling out
    ; [free|devoid|clear|cleared] of; free from; denies; denied; denying; deny; excludes
    ; excluded any; exclusion of
    ; [fail|fails|failed|failure|failing] to [reveal|show|demonstrate|identify|disclose|detect
    |visualize|find]
    ; rather than; as opposed to; instead of; [resolution|disappearance|clearing|absence] of
    ; [complete|interval|full|spontaneous] [resolution|disappearance|clearing|resorption] of
    ; evidence against; [argues|argue|arguing|speaks|speak|militates] against
    ; not [suggestive|indicative|typical|characteristic] of
    ; not [suspicious for|suspicious of|consistent with|compatible with|in keeping with
    |concerning for|worrisome for|due to|related to]
    ; no [history|known history|prior history|past history|family history|personal history] of
    ; no [known|prior|previous]
    ; no [recurrence|relapse|reappearance|recurrent growth] of the
    ; no [reason|grounds] to [suspect|consider|think of|believe]
    ; no [cause|reason|grounds] for [concern|suspicion|worry] [of|for|about|regarding]
    ; there [is|are|was|were] no longer; no longer [a|an|any|has|have|shows|show|demonstrates|had
    |contains|evidence]; [has|have|had] no longer
    ; rules out; ruled out [a|any|the|for]; [has|have] ruled out; [rule|ruling] out for
    ; no [suspicious|possible|definite|convincing|likely|probable|suspected|clear|obvious]; not have
    ; nothing ... to [suggest|indicate|support]; nothing [suggestive|suspicious|indicative] [of|for]
    ; nothing ... [suggest|suggests|suggesting|indicate|indicates|support|like]
    ; no [indication of|support for|grounds for|trace of|hint of]; not a case of
    ; [no|without] ... <sign> of either; [free|devoid|negative] of either
    ; [they|these|this|that|which|findings|features|characteristics|results|images|appearances]
    [exclude|excluded|rule out|ruled out]
    ; [no|ruled out|excluded|negative|absent|denies|pertinent negatives|no evidence of|not seen
    |resolved|gone|cleared|disappeared] :
    ; nonvisualization of; non visualization of; nonvisualisation of; non visualisation of
    ; inconsistent with; incompatible with; ø; not positive for; unremarkable for
    ; negative staining for
    ; [0|zero|none] [of|/] ... [positive|involved|contain|contains|containing|show|shows|with]
    ; [inability|unable|not able|impossible] to [see|identify|demonstrate|find|detect
    |appreciate|visualize|confirm|prove|substantiate]
    """,
)
EXCLUDED_BEFORE = (Rule(_N, True, ADJACENT, 3), "excluded")
RESOLVED_BEFORE = (
    Rule(_N, True, ADJACENT, 3),
    "resolved; previously resolved; completely resolved; now resolved; interval resolved",
)
LOST = (Rule(_N, True, ADJACENT, 2), "loss of")
IN_ITS_ABSENCE = (Rule(_N, True, ADJACENT, 8), "in the absence of")
TREATED_BEFORE = (Rule(_H, True, ADJACENT, 2), "treated; [removal|explantation] of")
WITHOUT_AT_FIRST = (Rule(_N, True, AT_THE_BEGINNING, 24), "^ without")
IF_AT_FIRST = (Rule(_U, True, AT_THE_BEGINNING, 14), "^ [if|should|unless]")
ONE_ABSENT = (
    Rule(_N, False, BEFORE_SINGULAR, 10),
    """
    [is|was] not ... <state>; [is|was] no longer <state>; [has|had] not been ... <state>
    ; [is|are] no more $; [is|are] no more <state>; no more <state>
    ; <one> [absent|now absent|excluded|negative|unremarkable for|gone|now gone|denied|lacking]
    ; <one> missing
    ; <one> [ruled out|not confirmed|resolved|no longer active]; tests negative; tested negative
    ; has <gone>; has ... <gone>; has gone; is no longer; [is|was] not $
    ; [is|was] not a [feature|finding|component|problem|concern]; is no longer [a|an] [feature
    |finding|concern|problem|consideration|issue]
    ; excluded [clinically|radiographically|radiologically|histologically|surgically|serologically]
    ; has not [occurred|developed|recurred|formed|been confirmed]; remains absent
    ; <be> [suspected|questioned|considered|queried|looked for|sought] but not <state>
    """,
)
ALL_ABSENT = (
    Rule(_N, False, BEFORE_LIST, 14),
    """
    not ... <state>; [cannot|could not] be <state>; [are|were] no longer <state>
    ; no longer <state>; <many> [absent|now absent|excluded|ruled out|negative|denied|missing]
    ; <many> [gone|now gone]
    ; <many> resolved; [are|were] not $; have <gone>; have ... <gone>; have gone
    ; absent $; resolved $; negative $; excluded $; <gone> $; lacking $; ruled out; gone $
    ; not suggested
    ; [none|nil] $; [none|nil] <state>
    ; [resolved|cleared] since ... <earlier> <study>; [resolved|cleared] since ... <earlier>
    ; [excluded|negative|resolved|absent] [by|on|in|from|x2|x3|after|with|since|following
    |without|spontaneously|completely|entirely|today|over|before|at|and]
    ; resolved [compared|since|on|after|by|at]
    ; [completely|fully|spontaneously|subsequently|since|now|entirely] <gone>
    ; are ... lacking; are not [features|findings]; have not [occurred|developed|recurred|formed]
    ; [both|all] absent; not confirmed; [looked|sought|searched] for and not found
    ; not [expressed|overexpressed|amplified|rearranged|mutated|reactive|immunoreactive|positive]
    ; sought and not found; has been denied; no longer active; not in evidence; nowhere <state>
    ; not a [feature|finding]; unlikely and not <state>
    """,
)
STATED_ABSENT = (
    Rule(_N, False, SENTENCE, 6),
    """
    ? [no|none|negative|absent|nil] $; ? not <state> $
    ; [:|–|(] [no|none|absent|negative|nil|denied|neither|n/a|no evidence|nothing|never|resolved
    |excluded|ruled out|zero|0] $
    ; [:|–|(] [resolved|cleared] [at|on|since|by]
    ; [:|–|(] none; , [none|resolved|absent|excluded|negative] $; , not <state> $
    ; [:|–|(] not ... <state>; [:|–|(] not $; [:|–|(] [none|not|no longer] <state>
    ; [:|–|(] no such; [in|:|(] [0|zero|none] [of|/]; [:|(] [r0|m0]
    """,
)
SIGNED_ABSENT = (Rule(_N, True, ADJACENT, 4), "^ ( – ); ^ ( − )")
FREE_OF_IT = (Rule(_N, False, ADJACENT, 1), "free; negative; −; [no|not|nil|none] $; ( – )")
DOUBTED = (
    Rule(_U, True, AFTER_DOUBT, 14),
    """
    doubtful that; doubtful whether; ^ either; [be|represent|represents|is|of|to] either
    ; <doubt>; doubt; doubts; evaluate
    ; assess; most likely; very likely; presumably; maybe
    ; suspect; suspects; suspecting
    ; [suspicion|suspicious|concern|concerning|concerns|worry|worried] [for|of|about]
    ; [low|high|moderate|some|strong|clinical] [suspicion|concern|probability|likelihood] [for|of]
    ; [probability|likelihood|chance] of; clinical [suspicion|concern]; worrisome for
    ; suggestive of; suggest; suggests; suggesting; suggested; suggestion of
    ; may; might; could; [may|might|could] [be|represent|reflect|have|indicate|mean]
    ; [may|could|might|possibly|probably|likely] [be due to|be secondary to|due to|secondary to]
    ; question of; question; query; ? ; equivocal [for|evidence]; equivocal; unclear whether
    ; unclear if; rule out; ruling out; r/o; to rule out; ro
    ; [evaluate|evaluation|assess|assessment|look|looking|check|screen|screening|examine
    |examination|search|workup|work up|testing|test|investigate|monitor|watch|surveillance] for
    ; [evaluate|evaluation|assess|assessment|look|check|monitor|follow up] for <change> of
    ; [evaluate|assess|check|document|ensure|confirm|monitor|follow|until|await] <change> of
    ; to [evaluate|assess|check|document|ensure|confirm|monitor|see] ... <change> of
    ; [follow|follow up|followed] [to|until] ... <change> of
    ; [evaluation|assessment] of possible; for evaluation of; in search of; exclude; excluding
    ; not [inconsistent|incompatible] with; not exclude; not ... exclude; cannot exclude
    ; cannot ... exclude
    ; [difficult|hard|impossible] to [exclude|rule out]; not diagnostic of; cannot rule out
    ; cannot ... rule out; not rule out; cannot be sure; whether; possibility of
    ; [risk|risks] [of|for]; risk factors for; [in case of|in the event of|in case there is]
    ; differential; ddx; [differential|differential diagnosis|ddx] :
    ; differential ... [includes|include|including]; differential diagnosis
    ; consider; considering; consideration [of|for]; if; versus; vs
    ; favor; favors; favoring; favored; less likely; unlikely; potential; potentially; doubtful
    ; borderline for; not clearly; not certain; not sure; thought to [be|represent]
    ; felt to [be|represent]; believed to [be|represent]; appears to [be|represent]; looks like
    ; look like; resembles; resembling; [would|could|might|may] fit
    ; [indeterminate|inconclusive|nondiagnostic|non diagnostic|not diagnostic|indefinite] for
    ; cannot distinguish; cannot ... distinguish
    ; cannot differentiate; [difficult|hard] to [distinguish|separate|differentiate]
    ; hard to separate from; favored over; preferred over; is [favored|preferred] over
    ; is [more|less] likely than; not <rule> :; [more|less] likely than
    ; [first|initially|previously|originally|formerly|wrongly] [reported|signed out|called|read
    |interpreted|diagnosed|described|labelled|labeled|treated|thought of] as
    ; what [looked like|appeared to be|was thought to be|was taken for|was reported as|was called]
    ; [mistaken|misread|misinterpreted|misreported] [for|as]; [mimic|mimics|mimicking|mimicked]
    ; [simulate|simulates|simulating|masquerading as]
    ; fear of; early if any; susceptible to; predispose to; prone to; precautions for
    ; prophylaxis for; prevent; prevention of; to avoid; return for; return if
    """,
)
LEFT_OPEN = (
    Rule(_U, False, BEFORE_LIST, 14),
    """
    [cannot|could not|not|should not] be <rule>; [cannot|could not|not] ... be <rule>
    ; [cannot|could not|not] be ... <rule>; not <rule>; not ... <rule>; [cannot|not] be confirmed
    ; not favored; [is|are|was|were] not favored
    ; <be> [suspected|possible|also possible|probable|likely|considered|unlikely|less likely
    |questioned|equivocal|uncertain|suggested|favored|conceivable|plausible|questionable|doubtful
    |improbable|very unlikely|highly unlikely]
    ; thought unlikely; <be> [thought|considered|felt|deemed|judged] unlikely
    ; [seems|seem|appears|appear|remains|remain] [unlikely|less likely|improbable|possible|probable
    |likely|doubtful]
    ; [thought|considered|felt|deemed|judged|believed] to be [unlikely|less likely|improbable
    |possible|probable|likely|doubtful]
    ; [should|may|could|must|might] [be|also be] considered; to be considered
    ; [is|are] [a|the|another] [consideration|considerations|possibility|concern]
    ; [main|leading|first|primary|top] consideration; in the differential; in question
    ; versus; vs; [may|might|could] be present
    ; to be [excluded|ruled out|clarified|confirmed|determined]
    ; [difficult|hard|impossible] to [exclude|rule out]
    ; [should|must|needs to|need to|has to] be [excluded|ruled out]
    ; ? $; [likely|possible|probable|suspected|unlikely|less likely|equivocal|questionable|favored
    |uncertain|doubtful|indefinite|indeterminate] $; not certain $; was raised
    ; is [favored|preferred] over; is [more|less] likely than; [more|less] likely than
    ; remains [a concern|possible|likely|suspected|uncertain|unclear|in question
    |in the differential|a possibility|a consideration]; is [of|a] concern
    ; [would|could|might|may] [explain|account for]; is not [certain|clear]
    ; <be> not [well|optimally|adequately] <state>; not [well|optimally|adequately] <state>
    ; <be> not [well|optimally|adequately|fully] [evaluated|assessed]
    ; [poorly|incompletely|suboptimally] [seen|visualized|evaluated|assessed|imaged]
    ; suspected [on|because|from|clinically]; awaiting confirmation
    ; [may|might|could|can] be [missed|overlooked|occult|hidden|obscured|masked]
    ; [may|might|could|can] have been [missed|overlooked|obscured]
    ; , if [any|present|real|at all]
    """,
)
LOOKED_FOR = (
    Rule(_U, False, ADJACENT, 1),
    """[protocol|workup|work up|screening|screen|rule out|prophylaxis|precautions|risk|suspect
    |evaluation|vaccine|vaccination|surveillance|study|series]""",
)
PAST = (
    Rule(_H, True, AFTER_PAST, 9),
    """
    history of; past history; [known|remote|personal|previous|prior|past|medical|long
    |longstanding|clinical] history of; prior; previous; previously; status post
    ; previously treated [for|with]; treated for; formerly; history [significant|notable|positive]
    for; past; in the past; underwent; old treated; has had; earlier; former; previously treated
    ; history includes; history :; status post resection
    ; medical history [of|significant for|notable for|positive for|remarkable for]
    """,
)
LONG_AGO = (
    Rule(_H, False, BEFORE, 12),
    """
    <ago> ago; [a|one|last] year ago; last [year|month|winter|spring|summer|autumn|fall|week]
    ; <ago> earlier; in [childhood|infancy|adolescence|his youth|her youth|the past|remission]
    ; as a [child|teenager|baby|young adult]; by history; previously treated; previously resected
    ; [treated|diagnosed|repaired|resected|removed|operated on|operated|excised|drained] in
    ; previously $; status post resection; repaired years; in 0year; since resected
    ; <be> removed; removed $
    """,
)
FAMILY = (
    Rule(_O, True, AFTER_RELATIVE, 30),
    """
    ^ in [her|his|the|a|one] <relative>; family history of; family history
    ; family history [significant|notable|positive|remarkable] for
    ; familial history of; fh of; family [has|had]
    ; <relative>; [relative|relatives|wife|husband]; [relative|relatives] with; maternal history
    ; paternal history
    """,
)
OF_FAMILY = (
    Rule(_O, False, SENTENCE, 20),
    """
    in <relative>; in [her|his|the|a|their|both|one] <relative>; in the [family|relatives]
    ; [runs|run|running] in [the|her|his|their] family; in relatives; in [siblings|first degree
    relatives|a first degree relative|a relative]; on the [maternal|paternal] side
    """,
)

RULES = Rules(
    triggers=triggers(
        LISTS,
        PSEUDO,
        (
            RULED_OUT,
            EXCLUDED_BEFORE,
            RESOLVED_BEFORE,
            LOST,
            IN_ITS_ABSENCE,
            WITHOUT_AT_FIRST,
            IF_AT_FIRST,
            TREATED_BEFORE,
            ONE_ABSENT,
            ALL_ABSENT,
            STATED_ABSENT,
            SIGNED_ABSENT,
            FREE_OF_IT,
            DOUBTED,
            LEFT_OPEN,
            LOOKED_FOR,
            PAST,
            LONG_AGO,
            FAMILY,
            OF_FAMILY,
        ),
    ),
    questions=questions(
        LISTS,
        (
            Asks.WHETHER,
            """^ <ask>; ^ please tell me if; ^ [and|so|or|but|also|then|please] <ask>
            ; ^ <ask> not; ^ <ask> [there|it|this|that|these|those|they] [not|no]
            ; ^ cannot [you|we|it|this|that|these|there]""",
        ),
        (
            Asks.MEANING,
            """^ what [is|are|was|does|do]; ^ what [causes|cause]; ^ [define|explain|describe]
            ; ^ [tell me|teach me] about; ^ meaning of; ^ definition of""",
        ),
        (
            Asks.ELSE,
            """^ [which|where|when|why|how|who|whose|whom|what]
            ; ^ what [is|are] ... [differential|diagnosis|cause|next|significance|treatment
            |management|prognosis|best|most]; ^ in which; ^ on which""",
        ),
    ),
    requests=questions(
        LISTS,
        (
            Asks.WHETHER,
            """^ [is|are|was|were] [there|this|that|it|these]; ^ [does|do] [this|the|it|you|these]
            ; ^ [can|could] [you|this|it|i]; ^ [is|are|was|were] not [there|this|that|it|these]
            ; ^ [is|are|was|were] there no; ^ [does|do] not [this|the|it|you|these]
            ; ^ cannot [you|this|it]""",
        ),
        (
            Asks.MEANING,
            """^ what [is|are]; ^ what [causes|does|do]; ^ [define|explain]
            ; ^ [tell|teach] me about""",
        ),
        (
            Asks.ELSE,
            """^ what [is|are] ... [differential|diagnosis|cause|next|significance|treatment
            |management|prognosis|best|most]; ^ [which|where|why|how] [is|are|does|do|side|much]""",
        ),
    ),
    whether_limit=Limit(
        stops(
            LISTS,
            (
                Stop.ENDS,
                """in [a|an|the|this] <person>; in [a|an|the|this] ... <person>; given; because
                ; after; considering; known ; history of""",
            ),
        )
    ),
    meaning_limit=Limit(
        stops(LISTS, (Stop.ENDS, "in; with; on; for; given; , ; but; seen; after; from; at; due"))
    ),
    either=_OR,
    without=frozenset({"no", "without", "not", "nor"}),
    contrasts=frozenset({"old", "chronic", "healed", "remote"}),
    same=_SAME,
    heading=re.compile(
        r"\s*+(?:[-*•]\s*+)?(?:(?P<family>family\s{1,3}history|fhx?|family\s{1,3}hx"
        r"|fam\.?\s{1,3}hx)"
        r"|past\s{1,3}(?:medical|surgical|ocular|ophthalmic)\s{1,3}history|past\s{1,3}history"
        r"|previous\s{1,3}history|pmhx?|pshx?|poh|(?:surgical|medical|ocular)\s{1,3}history"
        r"|previous\s{1,3}(?:surgery|operations?))\s*+[:\-–]\s*+",
        re.IGNORECASE,
    ),
)

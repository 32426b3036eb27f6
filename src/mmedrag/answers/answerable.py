"""Forms of questions that similar cases can answer: the last look at what no rule foresaw.

Lists of what is not for us never end; the ways to ask what can be seen do. A question whose form
is none of these is declined rather than taken for "is it there?".
"""

from __future__ import annotations

import re

from mmedrag.answers.question_rules import BY_MARK, BY_NOTHING, BY_VERB
from mmedrag.answers.romance import plain_letters
from mmedrag.text.sentences import spans
from mmedrag.types import BARE, Assertion, Question, QuestionKind

_ASKING_WORD = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how)(?:'s|’s)?\b"
    r"|^(?:y |e )?(?:cuant[oa]s?|quant[oa]s?|cuando|quando|como|donde|onde|quien|quem|por ?que"
    r"|para que|qual|quais|cual|cuales|que|o que)\b"
)
# "Rotate the image": what comes before an article is a preposition, or somebody is told to do it.
IMPERATIVE = re.compile(
    r"^(?:please |now |kindly )*(?!(?:in|on|at|of|within|along|throughout|under|over|above|below"
    r"|behind|beside|near|around|about|after|before|since|during|from|to|into|by|with|without|for"
    r"|and|but|or|as|through|across|between|is|are|was|were|has|had|all|both|like|despite|against"
    r"|per|via|inside|outside|beyond|upon|toward|towards|until|due|then|also|not|once|only|if"
    r"|when|note|observe|see|compare|seen|there|this|that"
    r"|\w+(?:ing|s|ed))\b)[a-z]+(?: (?:out|up|down|off))? "
    r"(?:the|this|that|it|me|us|my|your|these|those)\b(?! (?:\w+ )?(?:is|are|was|were|shows?)\b)",
    re.IGNORECASE,
)
_POINTING = re.compile(r"\b(?:this|that|these|those|the|here|it|he|she)\b")
_LONGEST_ORDER = 20
"""Words of a text that may be an order; a longer one describes a case."""

_MODAL = re.compile(r"^(?:and |so |but |or )?(?:can|could|would|will|do|does|did|may|might|must)\b")
_SEEING = re.compile(
    r"\b(?:see|sees|saw|seen|show|shows|shown|look|looks|looking|appear\w*|seem\w*|find|found"
    r"|visible|spot|notice|detect\w*|identif\w+|recogni[sz]e\w*|make out|appreciate|demonstrate\w*"
    r"|contain\w*|have|has|had|be|been|represent\w*|suggest\w*|indicate\w*|reveal\w*|depict\w*"
    r"|think|call|say|tell|consider|suspect|favou?r|match|fit|fits|mean|means|agree|involve\w*"
    r"|reach\w*|cross\w*|touch\w*|extend\w*|invade\w*|enhance\w*|arise\w*|affect\w*|display\w*"
    r"|support\w*|point to|rule out|exclude|check|confirm|exist)\b"
)
# What nobody can see in a picture: how things usually go, whether they are safe, urgent, in the
# family, worth it; and what somebody else will do.
_UNSEEN = re.compile(
    r"\b(?:always|hereditary|inherit\w*|genetic|contagious|transmissible|curable|treatable"
    r"|reversible"
    r"|preventable|avoidable|safe|safely|unsafe|harmful|painful|hurts?|affordable|free of charge"
    r"|legal|illegal|allowed|permitted|eligible|operable|resectable|worthwhile|overkill|advisable"
    r"|wise|sensible|mandatory|approved|licensed|reimbursed|recommended|indicated|warranted"
    r"|justified|contraindicated|overdue|too (?:late|early|soon|old|young))\b"
    r"|\b(?:usually|typically|generally|ordinarily|ever|often|familial|catching|permanent"
    r"|urgent|urgently|expensive|covered|suitable|enough|necessary|available|due|common|rare)"
    r"\W*(?:here|now|yet|this time|in \w+|in (?:this|her|his|my) \w+|for \w+|for this \w+)?\W*$"
    r"|\b(?:usually|typically|generally|ordinarily|normally) \w+(?:ed|s|ing)?\b"
    r"|\b(?:more|less) (?:common|frequent|likely|sensitive|specific|accurate) (?:in|with|among"
    r"|than)\b|\b(?:bad|good|better|worse) for\b"
    r"|\bneeds? (?:\w+ing|to be)\b|\b(?:wait|hold off|go away|heal|spread|grow back)\b"
    r"|\b(?:till|until) (?:mon|tues|wednes|thurs|fri|satur|sun|tomorrow|next|after)\w*"
    r"|\b(?:candidate|eligible|suitable|qualif(?:y|ies)) for\b|\bmake (?:this|it|that|things)"
    r" (?:worse|better)\b|\b(?:caused?|due to|because of|triggered|brought on) (?:it|this|that)\b"
    r"|\b(?:cause|do) (?:this|it|that)\W*$"
)
# Who asks it of the program asks nothing of the cases.
_OF_THE_PROGRAM = re.compile(
    r"^(?:and |so )?(?:are|were|will|have) you\b(?! (?:able to |sure |certain |seeing|think|suggest"
    r"|saying))|^do you (?:ever|like|love|want|know (?:how|who)|use|make (?!out)|work|get|feel"
    r"|dream|speak"
    r"|offer|support|accept|save|remember)\b"
)


def is_bare(question: Question) -> bool:
    """Whether it asks, describes no case and shows no image that it could be asked of."""
    return question.query.image is None and len(question.query.text.split()) <= BARE


def findings_to_explain(question: Question) -> dict[str, str]:
    """The findings whose causes are asked for, by concept.

    There are none where a sentence before the question describes a case.
    """
    intent = question.intent
    asks = intent is not None and intent.kind is QuestionKind.DIFFERENTIAL and is_bare(question)
    if not asks or len(spans(question.query.text.strip())) > 1:
        return {}
    return {
        m.concept: m.term
        for m in question.mentions
        if m.kind.is_finding and m.assertion is not Assertion.NEGATED
    }


def unanswerable(request: str, rule: str, *, names_finding: bool) -> bool:
    """Whether the form of a request is one that no similar case can answer.

    Args:
        request: the sentence that asks.
        rule: that gave its kind. Only the widest rules are looked at: the others say what they
            ask for.
        names_finding: whether the sentence names a finding or a disease.
    """
    letters = plain_letters(request)
    if rule == BY_MARK:
        return bool(_ASKING_WORD.search(letters))
    if rule == BY_NOTHING:
        return bool(IMPERATIVE.match(letters)) and len(letters.split()) <= _LONGEST_ORDER
    if letters.startswith("why "):
        return not names_finding and not _POINTING.search(letters)
    if rule != BY_VERB:
        return False
    if letters.startswith("will ") or _UNSEEN.search(letters) or _OF_THE_PROGRAM.search(letters):
        return True
    return bool(_MODAL.search(letters)) and not names_finding and not _SEEING.search(letters)

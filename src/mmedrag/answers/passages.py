"""Retrieved text is data: cleaned, and looked at for planted instructions.

A corpus holds what others wrote. A report that says "ignore your instructions" is not a finding:
generators leave such passages out or mark them, whatever they rank.
"""

from __future__ import annotations

import re
import unicodedata

from mmedrag.remembering import remembered
from mmedrag.text.quotations import clean

FLAG = "[flagged: instruction-like]"
"""Stands in a prompt where an instruction-like sentence stood."""

_RULES = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directives?|directions?|commands?|guardrails?"
    r"|polic(?:y|ies)|restrictions?|constraints?|programming|training|safety"
    r"|(?:text|context|messages?|conversation) (?:above|before)|(?:everything|anything|all|what)"
    r"(?: that)?(?: (?:was|is|you were|has been))? (?:of the )?(?:above|before|said|told|written)"
    r"|(?:previous|prior|earlier|preceding|above) (?:text|context|messages?|conversation)"
    r"|(?:the |all )?(?:other|remaining) (?:evidence|sources?|passages?|documents?|citations?)"
    r"|question (?:above|asked)|(?:the )?user'?s? (?:question|query|request))"
)
_MODEL = (
    r"(?:ai|a\.i\.|llms?|language models?|chat ?bots?|(?:virtual |digital )?assistants?|gpt[-\w]*"
    r"|chatgpt|models?(?= (?:reading|processing|summari[sz]ing|that reads))"
    r"|artificial intelligence"
    r"|generators?|copilot|answering system|agents?)"
)
_START = (
    r"(?:^|[.!?:;,\n\"'(>*#-] ?)"
    r"(?:please |now |then |so |and |you must |you should |instead,? |just )*"
)
_ANSWER = (
    r"(?:answer|reply|respond|response|output|print|say|write|state|conclude|claim|declare|assert)"
)
_WITHHELD = (
    r"(?:(?:system|initial|hidden|full|original|secret) (?:prompt|message|instructions?)"
    r"|(?:your|the) (?:prompt|instructions|configuration|rules|system message)|api[ _-]?keys?"
    r"|passwords?|credentials?|secrets?|access tokens?|environment variables?|conversation history"
    r"|(?:patient|user)(?:'s)? (?:data|records|names) to)"
)
_SUSPECT = (
    # setting the rules aside
    rf"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|es|ing)|bypass|overrule"
    rf"|discard|cancel|drop|abandon|set aside|stop following|(?:do not|don't|never) (?:follow|obey"
    rf"|use|trust|consider|rely on))\b[^.\n]{{0,50}}?\b{_RULES}\b",
    rf"\b{_RULES}\b[^.\n]{{0,40}}\b(?:no longer appl|(?:is|are) (?:now )?(?:void|cancelled|revoked"
    rf"|suspended|superseded|lifted|replaced)|to be ignored|do(?:es)? not apply)",
    r"\b(?:new|updated|revised|real|actual|true|following|these|secret|hidden|special) "
    r"(?:system |task )?(?:instructions?|prompts?|task|orders|directives?)\s*(?::|\bis\b|\bare\b"
    r"|follow)",
    r"\b(?:follow|obey|execute|carry out|comply with)\b[^.\n]{0,30}\b(?:instructions?|commands?"
    r"|orders|directives?|prompts?)\b[^.\n]{0,20}(?:\bbelow|\binstead|\bin this|\bhere|\bexactly"
    r"|:|$)",
    # a new role
    rf"\byou(?:'re| are| will be| shall be| become)\b (?:now |no longer |henceforth |only )*"
    rf"(?:an? |the |my |in )?(?:\w+ ){{0,3}}?(?:{_MODEL}|doctor|expert|mode|persona|character"
    rf"|hacker|pirate|unrestricted|free|bound)\b",
    rf"{_START}(?:act as|pretend|role-?play|behave (?:as|like)|imagine (?:that )?you|simulate"
    r"|assume the (?:role|identity))\b",
    r"\bfrom (?:now|here|this point) on(?:wards?)?,? (?:you|your|always|never|every|all|the|answer"
    r"|reply|respond)",
    r"\b(?:your|the assistant's) (?:new |only |real |next |sole )*(?:task|role|job|goal|mission"
    r"|purpose|objective|duty|instructions?|persona)\b",
    r"\b(?:developer|debug|admin(?:istrator)?|maintenance|god|sudo|unrestricted|jailbreak|root)"
    r"[ -](?:mode|override|access|privileges)\b|\bjail ?break|\bdo anything now\b|\bsudo\b",
    # speaking to a program
    rf"\b(?:note|attention|message|instructions?|memo|reminder|notice|hint|hello|dear|hey|hi)\b,? "
    rf"(?:to |for )?(?:the |any |all |every |you,? )?{_MODEL}\b",
    rf"\b(?:as|if you are|any|every|tell the|instruct the|dear|hey) (?:an? |the )?(?:large )?"
    rf"{_MODEL}\b(?! (?:assisted|based|detect))",
    r"<\s*/?\s*(?:system|assistant|user|instructions?|evidence|prompt|script|img|iframe|a href"
    r"|tool)",
    r"<\||\|>|\[/?(?:inst|system|sys)\]|<</?sys>>|<!--|###? ?(?:instruction|system|new|response)",
    r"(?:^|\n|[.!?] )[\"'*#\t -]*+(?:system|assistant|user|developer|human|admin)(?: (?:message"
    r"|note|prompt|override|alert|update|notice|command))?\s*:",
    r"\b(?:system|security|administrator) (?:message|prompt|override|alert|instruction)\b",
    r"\b(?:begin|end|start) (?:of )?(?:system|new|hidden|the|context|evidence|prompt|data|user"
    r"|untrusted)"
    r"[ _-](?:prompt|instructions?|message|context|input|evidence|data)",
    # what to answer, what to cite
    rf"{_START}(?:always |only |simply |never |do not |don't |must )*{_ANSWER}"
    r"(?: (?:the |this |any |every |all )?(?:questions?|user|reader|query)(?: \w+)?)?,?"
    r" (?:only\b|with\b|exactly|just\b|that (?:the|this|all|every|no|there)\b|[\"'“‘`]|in (?:json"
    r"|base64"
    r"|french|german|spanish|capitals|all|one word)|the (?:following|word|phrase|sentence|text"
    r"|exact)"
    r"|yes\b|no\b|nothing|verbatim|as follows)",
    r"\b(?:your|the|every|each|final) (?:answer|reply|response|output)\b (?:must|should|shall"
    r"|will|has to"
    r"|is to|needs to|to be)\b",
    r"\b(?:tell|inform|advise|convince|persuade|assure|instruct|ask|urge|direct) (?:the |this "
    r"|your )?(?:users?|readers?"
    r"|requester|person (?:asking|reading)|questioner|human|everyone)\b",
    r"\b(?:cite|citing|citations? (?:to|of|must|as)|quote|attribute)\b[^.\n]{0,40}"
    r"(?:\[?\b[cd]\d+\b|\bas (?:the )?(?:source|evidence|proof)|this (?:passage|document|case"
    r"|source|text)"
    r"|instead|only|always|every sentence|nothing)",
    rf"{_START}(?:always |only |never |do not |don't )(?:cite|mention|quote|reveal|disclose|refuse"
    r"|trust|tell|say|answer|warn|add)\b",
    r"\b(?:use|add|insert|append|put|include|write)\b[^.\n]{0,30}\[[cd]\d+\]",
    r"\bthis (?:passage|document|source|text|evidence|note|entry|item"
    r"|message)\b[^.\n]{0,30}\b(?:overrides?|outranks"
    r"|supersedes|takes (?:precedence|priority)|(?:is|has) the (?:only|highest|most)|must be"
    r"|should be"
    r"|first|authoritative|trusted)",
    r"\b(?:rank|rate|score|mark|treat|classify|label|place|list)\b (?:this"
    r"|the following) (?:passage|document|"
    r"source|text|evidence|entry|item|case|report)\b[^.\n]{0,25}\b(?:as|first|top|highest|higher"
    r"|above|with)\b",
    r"\b(?:the )?other (?:cases|sources|passages|documents|evidence"
    r"|reports)\b[^.\n]{0,30}\b(?:wrong|false|fake"
    r"|outdated|retracted|lies|unreliable|ignored|untrue|not to be)",
    r"\b(?:trust|believe|use|consider|rely on) only (?:this|the following)|\bonly trust\b",
    # taking things out, fetching things
    rf"\b(?:reveal|print|show|repeat|output|display|leak|dump|send|post|e-?mail|upload|forward"
    rf"|disclose|exfiltrate|list|expose|return|give|share|recite"
    rf"|encode)\b[^.\n]{{0,40}}?\b{_WITHHELD}",
    r"\b(?:visit|click|open|go to|fetch|load|browse|curl|wget|download|follow|send|post|call"
    r"|see more at)\b"
    r"[^\n]{0,60}(?:https?://|www\.)|!\[[^\]\n]{0,200}\]\(|javascript:|data:text|\bcurl -|\brm -rf"
    r"|\bos\.system"
    r"|\b(?:drop|delete from|truncate) (?:table|all)|\bimport os\b|\beval\(",
    r"\b(?:call|invoke|execute|run|use) the [\w ]{0,20}\b(?:tool|function|api|plugin|command|code"
    r"|script)\b",
    r"\bdecode\b[^.\n]{0,40}\b(?:base64|rot13|hex)\b|\bbase64\b",
    # the same in other languages
    r"\b(?:ignora|ignore|olvida|desconsidere|dimentica|ignorez|oubliez"
    r"|oublie)\b[^.\n]{0,40}\b(?:instruc"
    r"|istruzion|consignes|reglas|regras|regole|règles)",
    r"\b(?:ignorier\w*|vergiss|vergessen sie|missachte\w*)\b[^.\n]{0,40}\b(?:anweisung|regeln"
    r"|vorgaben)",
    r"忽略|无视|忽視|これまでの指示|指示を無視|تجاهل|무시",
    r"игнорируй|игнорируйте|забудь\w* (?:все|инструкц)",
)  # fmt: skip
_SUSPECT_RE = tuple(re.compile(p, re.IGNORECASE) for p in _SUSPECT)
_RUN = re.compile(r"[A-Za-z0-9+/]{48,}+")
_CODED = (re.compile(r"[0-9+/]"), re.compile(r"[a-z]"))
_SPELT = re.compile(r"(?<!\w)(?:[A-Za-z][ ._*-]){4,}[A-Za-z](?!\w)")
_LETTERED = re.compile(r"\b(?=\w*[a-zA-Z])[\w@$]+\b")
_LEET = str.maketrans("013457@$", "oieastas")
_LOOKALIKES = str.maketrans("аеорсухіѕԁӏ", "aeopcyxisdl")


@remembered(4096)
def instruction_like(text: str) -> bool:
    """Whether a text speaks to a program rather than of a patient.

    A list of patterns over the text as it is, and with look-alike letters, digits for letters
    and s p a c i n g undone. It is a net, not a proof: it makes planted instructions dear, and
    the rule that only supplied evidence can be cited holds without it.
    """
    plain = clean(unicodedata.normalize("NFKC", text))
    if any(all(p.search(run) for p in _CODED) for run in _RUN.findall(plain)):
        return True
    return any(p.search(form) for form in _readings(plain) for p in _SUSPECT_RE)


def _readings(text: str) -> list[str]:
    """The text as it is, on one line, and with three disguises undone."""
    spelt = _SPELT.sub(lambda m: re.sub(r"[ ._*-]", "", m.group()), text.replace("  ", " | "))
    flat = re.sub(r"\s+", " ", text.translate(_LOOKALIKES))
    leet = _LETTERED.sub(lambda m: m.group().translate(_LEET), flat)
    return list(dict.fromkeys((text, flat, spelt, leet)))

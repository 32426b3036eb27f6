"""Words that no similar case and no dictionary can answer, and words that make a text medical.

:mod:`mmedrag.answers.scope` decides by them; :mod:`mmedrag.answers.answerable` has the rest, what
none of these rules foresaw.
"""

from __future__ import annotations

import re

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
RULES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
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
            r"\b(?:outlook|outcomes?|recurrence rate|risk of death)\b",
            r"\b(?:turn|turns|turning|develop|progress|evolve)s? (?:in)?to\b|\bbecome (?:cancer\w*"
            r"|malignant)\b|\bcomes? back\b|\b(?:probability|likelihood|(?<!any )chance"
            r"|odds) of\b|\bwhat (?:percentage|proportion|fraction|share|number) of\b"
            r"|\b(?:natural (?:course|history)|untreated)\b",
            r"\b(?:median|average|mean|expected) (?:time|duration|survival|course)\b|\bhow many"
            r" (?:years|months|weeks|days)\b|\bwhat (?:will|would) (?:the|my|his|her) \w+ (?:say|do"
            r"|look like)\b",
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
            r"^(?:plan|disposition|follow[- ]?up|recommendations?)\W*$|\brecommendations? (?:for"
            r"|on)\b",
            r"\b(?:what|and|so) now\?|\bnow what\b|\b(?:what|and) next\?|\bwhat comes next\b",
            r"\b(?:what|which|any) (?:\w+ )?(?:tests?|labs?|bloods?|blood work|investigations?"
            r"|imaging|scans?|stains?|markers?)\b[^.?!]*\b(?:add|order|do|get|need|request|run|want"
            r"|perform|send)\b|\btarget (?:inr|pressure|values?|levels?|range|hba1c)\b",
            r"\bat (?:what|which) (?:\w+ ){1,3}(?:do|should|would|does|must)\b",
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
            r"\b(?:surgical|operative|therapeutic|medical|interventional) (?:approach|management"
            r"|options?"
            r"|technique|procedure|care)\b",
            rf"\b(?:tell me|i need|i want|know|give me) (?:the |a |about )*(?:\w+ )?{_TREATMENT}\b",
            rf"^{_TREATMENT} (?:of|for|in|options?)\b|\bof choice\b|\b(?:second|third"
            rf"|next)[- ]line\b|\b(?:naturally|home remed\w+)\W*$",
            r"\bwhat (?:lowers|reduces|relieves|helps|stops|works for)\b"
            r"|^(?:who|whom) (?:should|can|do|must) i\b|\bfirst[- ]line\b|^prescribe\b"
            r"|\blowers? (?:the )?(?:intraocular|blood) pressure\b",
        ),
    ),
    (
        "asks for a decision",
        "This asks what to do for a patient, which is for the people who care for that patient",
        (
            rf"\bshould(?:n't)? (?!(?:i|we|one) (?:call (?:it|this|that|these)|think|consider"
            rf"|suspect|look|be looking|notice"
            rf"|pay|read|report"
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
            r"\b(?:candidate|eligible|suitable|qualif(?:y|ies|ied)|indications?) for\b|\bwatch and"
            r" wait\b|\b(?:just|rather|better|safely) (?:wait|observe|leave it|ignore)\b",
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
        "asks for general knowledge",
        "This asks for general knowledge of a disease, a test or the body, which cases do not hold",
        (
            r"\bhow (?:common|rare|frequent|prevalent|sensitive|specific|accurate|reliable"
            r"|contagious|infectious)\b",
            r"\b(?:incidence|prevalence|epidemiolog\w+|pathophysiolog\w+|pathogenesis|physiology"
            r"|heredity|inheritance|mode of transmission|risk factors?|half-life|pharmaco\w+)\b",
            r"\b(?:what|which|explain|describe|tell|know|discuss|summari[sz]e|give|name"
            r"|list)\b[^.?!]*"
            r"\b(?:sensitivity|specificity|accuracy|predictive value|yield|mechanism|function|role"
            r"|purpose|innervation|blood supply|embryology|branches|physics|history|discovery"
            r"|normal (?:values?|ranges?|sizes?|levels?|width|thickness|diameter)) of\b"
            r"(?!.*\b(?:seen|visible|shown|involved|affected|present)\b)",
            r"\b(?:ct|mri|mr|pet|ultrasound|x-?rays?|radiographs?|oct|mammograph?y?|endoscopy"
            r"|biopsy)\b"
            r"[^.?!]*\b(?:preferred|preferable|better|best|superior|faster|cheaper|safer"
            r"|first choice"
            r"|used for|more \w+ than)\b(?=[^.]*\?)",
            r"^(?:which|what) (?:(?!is\b|are\b|was\b|were\b)\w+ )?(?:stain|sequence|window"
            r"|projection|probe|coil|marker"
            r"|antibody"
            r"|tracer|filter|lens|view|test|scan|modality|technique|gene|vitamin)s?\b(?! (?:is"
            r"|was|are"
            r"|were) (?:this|that|it|these|used|shown|seen|depicted)\b)(?! (?:am|are|is) (?:i"
            r"|we)\b)",
            r"\bwhat(?:'s| is| are) (?:the |a )?normal (?:\w+ ){0,3}?(?:pressure|size|values?"
            r"|range|levels?|width|thickness|counts?"
            r"|volume|diameter|rate)\b(?=.*\?)|\bhow (?:big|large|thick|long|wide|heavy"
            r"|small) (?:is|are)"
            r" (?:an? |the )?normal\b|\bof the (?:human )?body\b",
            r"\b(?:trials?|studies) (?:in|of|for|on|about)\b(?=[^.]*\?)|^(?:does|do|can|could"
            r"|did)\b"
            r"[^.?!]*\bcauses?\b(?! of)",
            r"\bdifferences? between (?:an? )?(?:ct|mri|mr|x-?rays?|ultrasound|pet|oct|doctor)\b",
            r"^(?:and |so )?(?:who|whom|whose)\b|\bat (?:what|which) age\b",
            r"\b(?:complication|recurrence|success|failure|infection|conversion|death|detection)"
            r" (?:rates?|risks?)\b|\brisks? (?:of|after|from|with)\b",
            r"\bhow (?:do|does|did) (?:an? |the )?(?:\w+ ){1,4}(?:work|works|arise|develop|form"
            r"|spread|happen|occur|function|kill)\b",
            r"\bwhat (?:does|do|did) (?:the |a |recent |current )?(?:\w+ )?(?:literature|lancet"
            r"|evidence|studies|stud(?:y|ies)|trials?|textbooks?|experts?|who|nice|rsna|acr)"
            r" (?:say|recommend|show|advise|suggest)\b",
            r"^(?:please )?(?:name|list|recite|enumerate)\b(?!.*\b(?:diseases?|disorders?"
            r"|conditions?|diagnos\w+|causes?|differentials?|tumou?rs?|entit\w+|patholog\w+"
            r"|findings?"
            r"|abnormalit\w+|cases?|reports?|images?|patients?|studies|examples?|films?|scans?"
            r"|signs?|possibilit\w+)\b)",
            r"\b(?:is|are) (?:it|this|that|he|she|\w+(?: \w+)?) (?:hereditary|inherited|genetic"
            r"|contagious|transmissible|common|rare|familial)(?: in \w+)?\W*$|\binherit\b",
        ),
    ),
    (
        "asks for work",
        "This asks for work around images (forms, codes, devices, results), which this system does "
        "not do",
        (
            r"^(?:please |kindly |can you |could you |would you |help me (?:to )?|i need you to "
            r"|i want you to |go )*(?:write|compose|send|e-?mail|mail|phone|book|order|reserve|buy"
            r"|print|remind|schedule|cancel|convert|calculate|compute|sort|multiply|rewrite"
            r"|zoom|rotate|crop|put (?:this|it|that) in|make me|correct|simplify|shorten"
            r"|turn (?:this|it) into"
            r"|rephrase|proofread|repair|install|reset|reboot|delete|upload|export|download|log in"
            r"|fill (?:in|out)|transcribe|debug|solve|sing|play|paint|organi[sz]e|arrange)\b"
            r"(?!.*\b(?:report|findings?|impression|description|caption)\b)",
            r"\bhelp (?:me|us) (?:with|write|finish|prepare|study|pass|learn|choose|find a)\b",
            r"\b(?:cpt|icd(?:[- ]?\d+)?|drg|snomed|billing|billed|reimburs\w+|insur\w+|invoice"
            r"|prior auth\w*|copay|medicare|medicaid|nhs|tariff|which code|codes? (?:for|applies"
            r"|to use))\b",
            r"\b(?:results?|report|scan|images?)\b[^.?!]*\b(?:be ready|ready|been sent|be back"
            r"|come back"
            r"|be available|be uploaded|be sent)\b|\b(?:opening|visiting) hours\b|\bparking\b",
            r"\berror (?:code|message|\d+)|\b(?:reboot|calibrat\w+|firmware|software|log ?in"
            r"|(?:our|the) pacs"
            r"|usb|wi-?fi|printer|warranty|dicom (?:file|header|viewer|export|to)"
            r"|(?:the|our) (?:scanner|machine|monitor|workstation) (?:is|keeps|breaks|won't))\b"
            r"|\b(?:to|onto) (?:an? )?(?:cd|dvd|stick|cloud)\b|\bgpu\b",
            r"\b(?:what|which|how|set|choose)\b[^.?!]*\b(?:kvp?|mas|tube (?:voltage|current)"
            r"|field of view|slice thickness|flip angle|bolus timing|scan(?:ning)? protocol"
            r"|exposure (?:time|factors?|settings?)|injection rate|collimation)\b",
            r"\b(?:kvp|mas)\b|\b(?:probe|scanner|monitor|workstation|detector|printer|machine"
            r"|computer|screen|mouse|keyboard)\b[^.?!]*\b(?:not|won't|isn't|doesn't|stopped|broken"
            r"|down|fails?|slow|noisy|connected|working)\b",
            r"^(?:please |can you |could you )*(?:make|create|prepare|give (?:me|us)|produce|design"
            r"|draft)\b"
            r"[^.?!]*\b(?:decks?|posters?|questions|quiz\w*|summary|lectures?"
            r"|handouts?|leaflets?|presentations?|tables?|charts?|flashcards?|timetables?|lists? of"
            r" (?!cases|images|diagnos|differential))\b",
            r"\bposition (?:the|a|my) (?:patient|child|baby|probe|coil)\b|\bsteps? (?:of|to|for|in)"
            r" \w+ing\b|\bhow (?:to|do (?:i|you|we)) (?:place|insert|perform|take|put|remove"
            r"|position|prepare|stain|fix|cut|mount|scan|set|connect|use|clean|become|learn|get"
            r"|inject|access|export|print)\b",
            r"\b(?:my|our|your) data\b|\bprivacy\b|\bdo you (?:store|keep|learn|train|run|cost)\b"
            r"|\bwhat (?:version|model) are you\b|\byour (?:version|accuracy|training|source code"
            r"|licen[cs]e)\b",
            r"\b(?:employer|my boss|sick (?:leave|note)|disability|benefits?\b(?=.*\?)|legal(?:ly)?"
            r"|sue[ds]?|court|liab\w+|malpractice|compensation|lawyer)\b",
            r"\b(?:letter|certificate|consent form|justification|thesis|dissertation|manuscript"
            r"|grant|cover letter|mnemonic|quiz|powerpoint)\b",
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
            r"^(?:hi|hello|hey|good (?:morning|evening|afternoon|night)|thanks?|thank you|bye"
            r"|goodbye"
            r"|ok|okay|test|testing|yes|no|lol|cool|great|sorry)(?: (?:there|you|all|everyone"
            r"|again))?\W*$",
            r"\bwho are you\b|\bwhat(?:'s| is) your name\b|\bhow are you\b|\bare you (?:human"
            r"|a bot|an ai|chatgpt|sentient)\b",
        ),
    ),
)  # fmt: skip
COMPILED = tuple(
    (name, sentence, re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE))
    for name, sentence, patterns in RULES
)
SENTENCES = {name: sentence for name, sentence, _ in RULES}
# A treatment may be part of what is asked about: "changes after radiotherapy", "post-treatment".
HISTORY = re.compile(
    rf"\b(?:after|before|following|post|since|during|despite|status post|s/p|under|on|prior"
    rf"|previous|due to|because of|from)[- ]+"
    rf"(?:\w+ ){{0,2}}?{_TREATMENT}\b|\b{_TREATMENT}[- ](?:related|induced|effect|effects"
    rf"|changes?|naive|response|planning|failure)\b",
    re.IGNORECASE,
)
TREATS = re.compile(
    rf"\b(?:{_TREATMENT}|{_DRUG}|\w+(?:ectomy|ostomy|otomy)|resection|ablation|stenting|grafting"
    r"|emboli[sz]ation|transplant\w*)\b",
    re.IGNORECASE,
)
# Whoever says of an animal or a machine what ails it says so anywhere in the text.
ELSEWHERE = re.compile(
    r"\b(?:my|our|his|her|the) (?:dog|cat|horse|pet|puppy|kitten|rabbit|cow|parrot|hamster)s?\b"
    r"|\b(?:probe|scanner|workstation|printer|computer|monitor|software) (?:\w+ )?(?:is|was|keeps"
    r"|does|has|will) (?:not|broken|down|failing|stuck|slow|crash\w*|stopped)\b",
    re.IGNORECASE,
)
# What is to be described or explained, or what one is to think of.
OBJECT = re.compile(
    r"^(?:please |can you |could you )*(?:describe|explain(?: to me)?|what do you think (?:about"
    r"|of)"
    r"|(?:tell|teach) me (?:something )?about|what(?:'s|’s| is) your (?:opinion|view) (?:of|on))"
    r" (?!(?:pls|please|this|that|it|these|those|los|las|la|el|os"
    r"|as)\b)(?P<object>\w.{3,80}?)[?.! ]*$",
    re.IGNORECASE,
)
MEDICAL = re.compile(
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
    r"|left|right|male|female|\d+[- ]?(?:y\.?o|yrs?|years?|months?|weeks?|days?)|exam\w*|admi\w+"
    r"|neoplas\w*|follic\w*|pigment\w*|(?:bi|uni)lateral\w*|capsul\w+|(?:hyper|hypo|peri|intra"
    r"|endo|retro|supra|infra"
    r"|hemi"
    r"|ha?emo|subdur|epidur)\w{2,}|coraz[oó]n|cora[cç][aã]o|ri[nñ][oó]n|h[ií]gado|ojos?|olhos?"
    r"|derrames?|lado"
    r"|side)\b",
    re.IGNORECASE,
)
# A term that neither the dictionary nor the list above has may still be asked for by itself:
# "What is a pannus?", "chalazion?", "UIP vs NSIP".
_WORD = r"(?:[^\W\d_][\w'’-]{3,}|[A-Z]{2,6}s?)"
TERM = re.compile(
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
POINTING = re.compile(
    r"\b(?:possibilit\w+|hypothes[ie]s|arrows?|ordinary|stud(?:y|ies)|should be|list|suspect\w*"
    r"|differential|guess"
    r"|opinion|thoughts|interpret\w*|describe|other (?:side|one)|this|these|those|here|see|seen"
    r"|visible|shown?|looks?|both|changed|compare\w*|more like"
    r"|anything like)\b"
    r"(?! (?:sentence|word|song|poem|year|week|morning|evening|code|function|movie|book|email"
    r"|weekend|country|world|text into)\b)",
    re.IGNORECASE,
)
HARM = re.compile(
    r"\b\w+(?:itis|oma|osis|pathy|plasia|toxicity)\b|\b(?:necrosis|toxicity|reaction|effects?"
    r"|changes?|response|complications?)\b",
    re.IGNORECASE,
)

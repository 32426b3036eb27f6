"""What real reports say that the glossary does not know.

``python benchmarks/glossary_coverage.py shared/data/*/records.jsonl --split val`` prints, by record
file, the share of phrases that hold a term of the glossary, and ``--missing 100`` the commonest
phrases that hold none. Phrases are the runs of words between punctuation, numbers and the function
words and general words below, as RAKE takes its candidates (Rose et al. 2010): no tagger is needed,
and no report leaves the machine. Concepts are chosen on the training split; the figure to report is
that of the other.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mmedrag.definitions import Dictionary, glossary, open_dictionary

GENERAL = frozenset(
    """
    a about above according across active actively additional adjacent adult after again age aged
    all almost along also although amount an and another anterior any appear appearance appeared
    appearing appears approximately are area areas around arrow arrowhead arrowheads arrows as
    aspect associated at available axial be been before begin being below beneath better between
    bilateral bilaterally black blue body both but by can case cases center central change changed
    changes characteristic characterized clear clearly clinical clinically color colour come
    coming common comparison compared compatible complete completely composed consist consistent
    consisting contain containing contains continue coronal correspond corresponding corresponds
    could cross cut dark data date day days deep definite demonstrate demonstrated demonstrates
    demonstrating denote depict depicting describe described despite detail detected determine
    developed diagnosed diagnosis did different diffuse diffusely directed distal do does done down
    due during each early either end entire especially evaluate evaluated evaluation evidence
    evident exam examination exhibit extend extended extending extends extensive extent external
    extremely eye eyes external feature features female few field figure filled fig find finding
    findings first five focal focally following for form formed found four frequently from front
    frontal full further gender general generally given good green grossly had half has have having
    he her here high higher highly his history hospital hour hours how however i identified if image
    images imaging impression in include included includes including increase increased increasing
    indicate indicated indicates indicating individual initial inner inside intact interval into
    involve involved involves involving is it its just kind large larger largest last late later
    lateral laterally least left less level levels lies light like likely limits line lined little
    local located location long longitudinal low lower magnification main major make male man many
    marked markedly may measure measured measures measuring medial mild mildly minimal minimally
    minor moderate moderately month months more most mostly multiple near nearly new no none nor
    normal normally not note noted number numerous observed obtained obvious of often old older on
    one only or original other others our out outer over overall pa panel part partial partially
    particular particularly parts patient patients performed period persistent photograph picture
    pink place point portion possible possibly posterior pre present presence presented presenting
    presents previous previously prior probable probably process prominent prominently proximal
    quite r rather recent recently red region regions related relatively remain remaining remains
    report represent representing represents respectively result resulting results reveal revealed
    revealing reveals right round same scattered second section see seen separate several severe
    severely shape shaped she show showed showing shown shows side sided sides significant
    significantly similar since single site size sized slight slightly slide small smaller so some
    specimen stable stage study such suggest suggested suggesting suggestive superior superiorly
    surrounding surrounded surface suspected suspicious t taken than that the their them then there
    therefore these they thick thin this those three throughout thus time to together top total
    towards transverse two type types typical unchanged under underwent unilateral unremarkable up
    upper upon used usually various very view views visible visualized was we week weeks well were
    what when where whereas which while white whole whose wide widespread will with within without
    woman would x xxxx year years yellow yellowish yet young zone
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_BREAK = re.compile(r"[^\w\s'’-]|\n|\d")


def phrases(text: str) -> Iterator[tuple[int, int]]:
    """The characters of every run of content words."""
    start = end = -1
    for match in _WORD.finditer(text):
        general = len(match.group()) < 2 or match.group().lower() in GENERAL
        if start >= 0 and (general or _BREAK.search(text[end : match.start()])):
            yield start, end
            start = -1
        if not general:
            start, end = (match.start() if start < 0 else start), match.end()
    if start >= 0:
        yield start, end


def texts(path: Path, split: str) -> list[str]:
    """Different English texts of a record file, of one split where the file has splits."""
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    kept = (r for r in rows if r.get("lang", "en") == "en" and split in ("", r.get("split")))
    return list(dict.fromkeys(r["text"] for r in kept if r.get("text")))


def count(source: Dictionary, reports: list[str]) -> tuple[int, Counter[str]]:
    """How many phrases there are, and those without a term."""
    total, missing = 0, Counter[str]()
    for text, mentions in zip(reports, source.recognise(reports), strict=True):
        for start, end in phrases(text):
            total += 1
            if not any(m.start < end and start < m.end for m in mentions):
                missing[" ".join(text[start:end].lower().split())] += 1
    return total, missing


def main() -> None:
    """Print the coverage of each file and of all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("records", type=Path, nargs="+", help="record files (JSONL with text)")
    parser.add_argument("--split", default="", help="train or val; both where left out")
    parser.add_argument("--missing", type=int, default=0, help="print this many missing phrases")
    parser.add_argument("--dictionary", type=Path, action="append", default=[])
    options = parser.parse_args()
    source = open_dictionary(*options.dictionary) if options.dictionary else glossary()
    phrases_of_all, missing_of_all = 0, Counter[str]()
    for path in options.records:
        reports = texts(path, options.split)
        total, missing = count(source, reports)
        phrases_of_all += total
        missing_of_all += missing
        if total:
            share = 1 - missing.total() / total
            print(f"{path.parent.name:24} {len(reports):6} texts {total:7} phrases {share:6.1%}")
    share = 1 - missing_of_all.total() / max(1, phrases_of_all)
    print(f"{'all':24} {'':6}       {phrases_of_all:7} phrases {share:6.1%}")
    for phrase, times in missing_of_all.most_common(options.missing):
        print(f"{times:6}  {phrase}")


if __name__ == "__main__":
    main()

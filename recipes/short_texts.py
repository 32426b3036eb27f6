"""How ``models/short_texts`` is made: ``python recipes/short_texts.py INTO``."""

from __future__ import annotations

import sys
from pathlib import Path

from mmedrag import definitions
from mmedrag.checkpoint import write_checkpoint
from mmedrag.definitions.tables import read_glossary
from mmedrag.presets import offline_encoders
from mmedrag.training.short_texts import train_short_texts


def main() -> None:
    """Encode the glossary, fit the head, write it."""
    _, texts = offline_encoders()
    terms = read_glossary(Path(definitions.__file__).with_name("glossary.jsonl"))
    made = train_short_texts(terms, texts.encode, texts.fingerprint)
    write_checkpoint(Path(sys.argv[1]), made)


if __name__ == "__main__":
    main()

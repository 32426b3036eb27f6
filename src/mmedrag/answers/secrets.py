"""A key that a server sends back is shown to nobody: not in an error, not in an answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

HIDDEN = "***"
"""Stands where the key stood."""

_SHORTEST = 8
"""What is shorter ("EMPTY", "x") is no secret, and would be hidden wherever it stands by chance."""


class Secret:
    """An API key, and how it is kept out of texts: as it is, quoted for a URL, or in Base64."""

    def __init__(self, key: str) -> None:
        forms = {key, quote(key, safe=""), base64.b64encode(key.encode()).decode().rstrip("=")}
        self._forms = sorted(forms, key=len, reverse=True) if len(key) >= _SHORTEST else []
        self._pattern = re.compile("|".join(map(re.escape, self._forms)), re.IGNORECASE)

    def hide(self, text: str) -> str:
        """The text without the key."""
        return self._pattern.sub(HIDDEN, text) if self._forms else text

    def hide_in(self, pieces: Iterable[str]) -> Iterator[str]:
        """The pieces of a text without the key, also where it is cut."""
        held = ""
        for piece in pieces:
            text = self.hide(held + piece)
            shown = len(text) - self._begun(text)
            if shown:
                yield text[:shown]
            held = text[shown:]
        if held:
            yield held

    def _begun(self, text: str) -> int:
        """How many of the last letters may be the beginning of the key."""
        tail = text.lower()
        return max(
            (
                n
                for form in self._forms
                for n in range(1, len(form))
                if tail.endswith(form[:n].lower())
            ),
            default=0,
        )

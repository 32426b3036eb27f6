"""Where a database of cases is: the path of a casebase, or the URL of a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

Location: TypeAlias = str | Path
"""The path of a casebase, or the URL of a database."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_USER = re.compile(r"(?<=://)([^:@/?#]*):[^/?#]*(?=@)")
_SECRET = re.compile(r"(?i)([?&](?:ssl)?password=)[^&#]*")
_MASK = "***"


def location_of(text: str) -> Location:
    """What somebody has written as the name of a casebase: a URL as it stands, else a path."""
    return text if _URL.match(text) else Path(text)


def scheme_of(location: Location) -> str:
    """The scheme of a URL in lower case; empty for a path."""
    match = _URL.match(str(location))
    return match[1].lower() if match else ""


def shown(location: Location) -> str:
    """A location for messages and logs: a password in it is masked."""
    if not scheme_of(location):
        return str(location)
    return _SECRET.sub(rf"\g<1>{_MASK}", _USER.sub(rf"\g<1>:{_MASK}", str(location)))

"""The parser of the command line: options anywhere, and error messages that are safe to print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from mmedrag.views.terminal import printable


class CommandParser(argparse.ArgumentParser):
    """An argument parser that lets options stand between positional arguments.

    ``mmedrag ask X.casebase --json "a question"`` is as good as with ``--json`` at the end; the
    standard parser takes an optional positional argument for absent at the first option.
    """

    _intermixing = False

    def parse_known_args(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        namespace: Any = None,  # noqa: ANN401
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse options first, then what is left as positional arguments."""
        if self._intermixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._intermixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixing = False

    def _print_message(self, message: str, file: Any = None) -> None:  # noqa: ANN401
        """Print usage, help or an error, which may quote an argument such as a file name."""
        super()._print_message(printable(message or ""), file or sys.stderr)

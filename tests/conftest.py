"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mmedrag import domains
from mmedrag.assembly import assemble, create, dictionary
from mmedrag.datasets.records import read_records
from mmedrag.definitions import Dictionary, glossary
from mmedrag.encoders import onnx
from mmedrag.indexing import index
from mmedrag.phantoms import corpus
from mmedrag.phantoms.corpus import draw, generate
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import Stages, build
from mmedrag.threads import of_models
from mmedrag.types import Case
from proofs import ProofTable

pytest.register_assert_rewrite("mmedrag.testing")  # so that a broken law shows its values

# Machines differ in speed and load, so no example has a deadline and none is drawn too slowly; CI
# repeats the same examples each time. Each run draws others, so few a run become many in a week.
_UNHURRIED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.register_profile("ordinary", _UNHURRIED, max_examples=40)
settings.register_profile("long", _UNHURRIED, max_examples=100)
settings.load_profile("ordinary")


# Libraries and tests stay until the end: the collector need not look at them again and again.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage from here on, among what the tests themselves make."""
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--proofs PAGE``: write what the proofs of this run found into the table of a page."""
    parser.addoption("--proofs", type=Path, metavar="PAGE", help="page with the table of proofs")
    parser.addoption("--in-pieces", action="store_true", help="add to the rows of the same day")


def pytest_configure(config: pytest.Config) -> None:
    """Gather the proofs where a page is named."""
    if config.getoption("--proofs"):
        main = not hasattr(config, "workerinput")  # of pytest-xdist; workers write nothing
        table = ProofTable(config.getoption("--proofs"), main, config.getoption("--in-pieces"))
        config.pluginmanager.register(table, "proofs")


@pytest.fixture(autouse=True)
def _forgets() -> Iterator[None]:
    """Domains of one test are unknown to the next."""
    names, prompts = dict(domains._REGISTRY), dict(domains._PROMPTS)
    yield
    for registry, before in ((domains._REGISTRY, names), (domains._PROMPTS, prompts)):
        registry.clear()
        registry.update(before)


@pytest.fixture(scope="session", name="terms")
def _terms() -> Iterator[Dictionary]:
    """The glossary that comes with the package."""
    with closing(glossary()) as dictionary:
        yield dictionary


@pytest.fixture(scope="session", autouse=True)
def _networks_are_opened_once() -> Iterator[None]:
    """A session of ONNX Runtime keeps nothing of its calls: every stage of a run shares it.

    Opening the networks takes a third of a second, and hundreds of commands open them.
    """
    with pytest.MonkeyPatch.context() as patch:
        opened = lru_cache(maxsize=8)(lambda limit, *given, opening=onnx._open: opening(*given))
        patch.setattr(onnx, "_open", lambda *given: opened(of_models(), *given))
        yield


@pytest.fixture(scope="session", autouse=True)
def _phantoms_are_drawn_once() -> Iterator[None]:
    """A drawing takes forty milliseconds, and corpora of one seed begin with the same ones."""
    drawn = lru_cache(maxsize=400)(draw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "draw", lambda *given: drawn(*given).copy())
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository; tests that need it skip where it is absent."""
    root = Path(os.environ.get("MMEDRAG_SHARED", Path(__file__).parents[2] / "shared"))
    if not (root / "data").is_dir():
        pytest.skip(f"real data not found at {root / 'data'}")
    return root / "data"


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Ninety synthetic cases over the three domains."""
    folder = tmp_path_factory.mktemp("phantoms")
    found = read_records(generate(90, 11, into=folder / "corpus"))
    return [case for case in found if isinstance(case, Case)]


@pytest.fixture(scope="session")
def offline() -> Stages:
    """The stages of the offline preset, loaded once."""
    return build("offline")


@pytest.fixture(scope="session")
def rag(
    phantoms: list[Case], offline: Stages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MMedRAG]:
    """A system over a casebase of the synthetic cases; tests must not write to it."""
    path = tmp_path_factory.mktemp("casebases") / "phantoms.casebase"
    casebase, _ = create(path)
    with casebase:
        definitions = dictionary()
        index(phantoms, casebase, offline.embedder, offline.classifier, definitions=definitions)
        yield assemble(offline, casebase, definitions)

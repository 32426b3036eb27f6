"""Both-tower models as ONNX: what comes out is what went in, and no torch is needed to serve it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmedrag.encoders.clip import load_towers
from mmedrag.encoders.exported import CARD, load_exported
from mmedrag.errors import CheckpointError
from mmedrag.protocols import Embedder
from mmedrag.testing.embedder import EmbedderContract, picture
from mmedrag.training.export import Export, export_towers

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
pytest.importorskip("transformers")

from tiny_models import write_model

TEXTS = ["no effusion", "left lung effusion " * 30, "", "right"]


@pytest.fixture(scope="module", params=["clip", "siglip"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(request.param, tmp_path_factory.mktemp("original") / request.param)


@pytest.fixture(scope="module")
def export(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export_towers(str(original), tmp_path_factory.mktemp("export"))


def test_features_are_those_of_the_original(original: Path, export: Export) -> None:
    before, after = load_towers(original, device="cpu"), load_exported(export.into)
    np.testing.assert_allclose(after.texts.encode(TEXTS), before.texts.encode(TEXTS), atol=1e-4)
    images = [picture(i, (40 + 30 * i, 64)) for i in range(3)]
    one, other = (towers.images.encode(images) for towers in (before, after))
    assert export.texts > 0.99999
    assert export.images > 0.99999
    np.testing.assert_allclose(other, one, atol=1e-4 * np.abs(one).max())


def test_serving_imports_no_torch(export: Export) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from mmedrag.presets import build\n"
        f"stages = build('exported', {{'folder': {str(export.into)!r}}})\n"
        "from mmedrag.types import Query\n"
        "assert stages.embedder.embed([Query('left effusion')]).shape[0] == 1\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_int8_is_smaller_and_nearly_the_same(original: Path, tmp_path: Path) -> None:
    small = export_towers(str(original), tmp_path / "int8", int8=True)
    assert small.images > 0.99
    assert small.texts > 0.99


@pytest.mark.parametrize("damage", ["card", "digest", "tokenizer", "field"])
def test_damage_is_an_error(export: Export, tmp_path: Path, damage: str) -> None:
    for file in export.into.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    card = json.loads((tmp_path / CARD).read_text())
    if damage == "card":
        (tmp_path / CARD).write_text("[]")
    elif damage == "digest":
        (tmp_path / "text.onnx").write_bytes((tmp_path / "image.onnx").read_bytes())
    elif damage == "tokenizer":
        (tmp_path / "tokenizer.json").write_text("{")
    else:
        (tmp_path / CARD).write_text(json.dumps({**card, "window": "long"}))
    with pytest.raises(CheckpointError):
        load_exported(tmp_path)


def test_one_tower_is_not_exported(tmp_path: Path) -> None:
    folder = write_model("vit", tmp_path / "vit")
    with pytest.raises(CheckpointError, match="not both towers"):
        export_towers(str(folder), tmp_path / "export")


class TestExportedEmbedder(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, export: Export) -> Embedder:
        return load_exported(export.into).embedder()

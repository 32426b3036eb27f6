"""ROCOv2: captions, concepts, licences and images of its splits."""

from __future__ import annotations

from PIL import Image

from mmedrag.datasets import read_corpus, recognise
from mmedrag.types import Case, Domain, Problem


def corpus(folder):
    (folder / "train").mkdir()
    Image.new("L", (8, 8), 70).save(folder / "train" / "R_1.png")
    (folder / "train_captions.csv").write_text(
        'ID,Caption\nR_1,"A CT, axial"\nR_2,An X-ray\nR_3,\n'
    )
    (folder / "train_concepts.csv").write_text("ID,CUIs\nR_1,C1;C2\n")
    (folder / "cui_mapping.csv").write_text("CUI,Canonical name\nC1,Tomography\n")
    (folder / "license_information.csv").write_text("ID,link,license\nR_1,PMC12/fig,CC BY\n")
    return folder


def test_rocov2_with_its_images(tmp_path):
    assert recognise(corpus(tmp_path)).name == "rocov2"
    for place in (tmp_path, tmp_path / "train_captions.csv"):
        items = list(read_corpus(place))
        first, second = (item for item in items if isinstance(item, Case))
        assert (first.id, first.text, first.domain) == (
            "rocov2/R_1",
            "A CT, axial",
            Domain.RADIOLOGY,
        )
        assert first.image == tmp_path / "train" / "R_1.png"
        assert (first.labels, first.study_id, first.licence) == (
            ("Tomography", "C2"),
            "PMC12",
            "CC BY",
        )
        assert (second.image, second.split) == (None, "train")
        reasons = [item.reason for item in items if isinstance(item, Problem)]
        assert reasons == [
            "needs an ID and a Caption",
            "1 images are absent; their cases have text only",
        ]


def test_a_table_without_an_image_column_finds_pictures_by_id(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "images" / "x1.png")
    (tmp_path / "t.csv").write_text("id,caption\nx1,One\nx2,Two\n")
    cases = [item for item in read_corpus(tmp_path / "t.csv") if isinstance(item, Case)]
    assert [case.image is not None for case in cases] == [True, False]


def test_pictures_that_no_row_names_are_said(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "images" / "other.png")
    (tmp_path / "t.csv").write_text("id,caption\nx1,One\n")
    *_, problem = read_corpus(tmp_path / "t.csv")
    assert isinstance(problem, Problem)
    assert "no picture beside it is named after an id" in problem.reason


def test_paths_as_windows_and_spreadsheets_write_them(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "images" / "1.png")
    (tmp_path / "t.csv").write_text(
        "id, image\na, images/1.png\nb,images\\1.png\nc,\"'images/1.png'\"\n"
    )
    items = list(read_corpus(tmp_path / "t.csv"))
    assert {item.image for item in items if isinstance(item, Case)} == {
        tmp_path / "images" / "1.png"
    }
    assert len(items) == 3

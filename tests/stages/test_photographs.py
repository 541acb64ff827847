"""`zfpipe photographs`: an image folder that check finds nothing wrong with, the same bytes every time."""

import json

import pytest
from PIL import Image

from zfpipe.__main__ import main

FEW = ["--photographs", "coffee", "retina", "--stride", "0.5"]


def photographs(out, *options):
    return main(["photographs", f"--out={out}", *options])


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


@pytest.mark.parametrize("labels", ["photograph", "cell"])
def test_it_makes_an_image_folder_without_errors(tmp_path, labels, capsys):
    assert photographs(tmp_path / "p", "--tile=40", "--labels", labels, *FEW) == 0
    assert "train and " in capsys.readouterr().err
    files = [f"--out-{kind}={tmp_path / kind}" for kind in ("manifest", "html", "json")]
    assert main(["check", f"--root={tmp_path / 'p'}", "--min-size=40", *files]) == 0
    found = json.loads((tmp_path / "json").read_text())["findings"]
    assert {finding["name"] for finding in found} <= {"very-dark", "low-contrast"}  # photographs of the night sky
    classes = {path.name for path in (tmp_path / "p/val").iterdir()}
    assert classes == {path.name for path in (tmp_path / "p/train").iterdir()}
    assert {name.split("-")[0] for name in classes} == {"coffee", "retina"}
    assert len(classes) == 2 if labels == "photograph" else len(classes) > 12
    with Image.open(next((tmp_path / "p/val").rglob("*.png"))) as tile:
        assert (tile.size, tile.mode) == ((40, 40), "RGB")


def test_a_folder_with_files_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/holiday.png").write_bytes(b"dear to me")
    assert photographs(tmp_path / "mine", *FEW) == 1
    assert "mine is there already and not empty" in capsys.readouterr().err
    assert (tmp_path / "mine/holiday.png").read_bytes() == b"dear to me"


def test_the_bytes_are_the_same_for_any_threads(tmp_path):
    assert photographs(tmp_path / "one", "--tile=32", *FEW) == 0
    (tmp_path / "three").mkdir()  # an empty one is filled
    assert photographs(tmp_path / "three", "--tile=32", *FEW, "--threads=3") == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "three"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--photographs", "astronot"], "'astronot' (did you mean 'astronaut'?)"),
        (["--across", "8"], "--across is 8; it must be 9 or more"),
        (["--across", "400"], "--across is 400"),
        (["--tile", "0"], "--tile is 0; it must be more than 0"),
        (["--stride", "-1"], "--stride is -1.0; it must be more than 0"),
        (["--min-contrast", "500"], "No tile has a contrast of 500"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_leaves_nothing(tmp_path, capsys, options, message):
    assert photographs(tmp_path / "p", *options) == 1
    output = capsys.readouterr().err
    assert message in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())

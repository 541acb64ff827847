"""The occlusion experiment from files to a table and a figure."""

import pandas as pd
import pytest
from PIL import Image
from small import PACKED, SIZE, model_file, packed_file, pictures

from zfpipe.__main__ import main


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("occlude")
    model_file(folder / "model.pt")
    Image.fromarray(pictures(1)[0]).save(folder / "a.png")
    packed_file(folder / "val.h5")
    model, images, layer = (f"{folder}/model.pt", f"{folder}/val.h5", "conv3")
    steps = [
        ["mine", "--model", model, "--images", images, "--layers", layer, "--out", f"{folder}/topk.h5"],
        ["reconstruct", "--model", model, "--images", images, "--topk", f"{folder}/topk.h5"],
    ]
    steps[1] += ["--layer", layer, "--out", f"{folder}/conv3.h5"]
    assert [main(step) for step in steps] == [0, 0]
    return folder


def occlude(made, out, *options):
    command = ["occlude", "--model", made / "model.pt", "--image", made / "a.png", "--layer", "conv3", "--square", 20]
    command += ["--stride", 20, "--out-csv", out / "o.csv", "--out-png", out / "o.png", *options]
    return main([str(word) for word in command])


def test_table_and_figure_are_the_same_each_time(made, tmp_path):
    written = []
    for _ in range(2):
        assert occlude(made, tmp_path, "--label", "b", "--reconstruction", made / "conv3.h5") == 0
        written.append([(tmp_path / name).read_bytes() for name in ("o.csv", "o.png")])
    assert written[0] == written[1]
    table = pd.read_csv(tmp_path / "o.csv")
    assert list(table) == ["top", "left", "activation", "probability", "likeliest"]
    assert len(table) == 1 + 3 * 3
    assert table.top.isna().tolist() == [True] + [False] * 9
    assert table.left[1:].tolist() == [0, 20, 40] * 3
    assert set(table.likeliest) <= {"a", "b", "c"}
    assert table.probability.between(0, 1).all()
    with Image.open(tmp_path / "o.png") as picture:
        assert min(picture.size) > PACKED


def test_without_other_projections_the_figure_is_drawn_too(made, tmp_path):
    assert occlude(made, tmp_path) == 0
    assert (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--label", "bb"], "The class is 'bb'"),
        (["--square", SIZE + 1], f"has to fit into {SIZE}x{SIZE}"),
        (["--layer", "conv9"], "no layer 'conv9'"),
        (["--image", "nowhere.png"], "no image file nowhere.png"),
        (["--reconstruction", "nowhere.h5"], "nowhere.h5"),
    ],
)
def test_bad_options_end_in_one_sentence(made, tmp_path, capsys, options, sentence):
    assert occlude(made, tmp_path, *options) == 1
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())

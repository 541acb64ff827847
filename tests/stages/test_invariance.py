"""The invariance experiment from images to a table and a figure."""

import pandas as pd
import pytest
from PIL import Image
from small import model_file, pictures

from zfpipe.__main__ import main


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("invariance")
    model_file(folder / "model.pt")
    for number, picture in enumerate(pictures(2)):
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


def invariance(made, out, *options):
    words = ["invariance", "--model", made / "model.pt", "--image", made / "0.png", made / "1.png"]
    words += ["--out-csv", out / "i.csv", "--out-png", out / "i.png", *options]
    return main([str(word) for word in words])


def test_table_and_figure_are_the_same_each_time(made, tmp_path):
    written = []
    for _ in range(2):
        assert invariance(made, tmp_path, "--name", "one", "two", "--label", "b", "-", "--dpi", "60") == 0
        written.append([(tmp_path / name).read_bytes() for name in ("i.csv", "i.png")])
    assert written[0] == written[1]
    table = pd.read_csv(tmp_path / "i.csv")
    assert list(table)[:5] == ["image", "label", "warp", "amount", "probability"]
    assert list(table)[5:] == ["distance.conv1", "distance.fc7"]
    assert table.groupby("image").label.unique().str.len().tolist() == [1, 1]
    assert table.label[0] == "b"
    still = table[(table.warp == "scale") & (table.amount == 1)]
    assert (still["distance.conv1"] == 0).all()
    assert (table[table.warp == "rotation"]["distance.conv1"].iloc[1:36] > 0).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--label", "b"], "--label has 1 entries for 2 images"),
        (["--label", "b", "bb"], "The class is 'bb'"),
        (["--name", "a", "a"], "Two images have one name"),
        (["--layers", "conv9"], "no layer 'conv9'"),
        (["--batch-size", "0"], "invariance.batch_size is 0"),
    ],
)
def test_bad_options_end_in_one_sentence(made, tmp_path, capsys, options, sentence):
    assert invariance(made, tmp_path, *options) == 1
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())

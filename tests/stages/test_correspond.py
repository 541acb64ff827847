"""Correspondence of parts, from images and boxes to a table and a figure."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small import model_file, pictures

from zfpipe.__main__ import main
from zfpipe.stages.correspond import elsewhere, table

BOXES = "image,part,top,left,bottom,right\n" + "".join(
    f"{name},eye,10,{left},20,{left + 12}\n{name},nose,30,30,38,40\n"
    for name, left in (("a", 12), ("b", 12), ("c", 20))
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("correspond")
    model_file(folder / "model.pt")
    one, two = pictures(3)[:2]
    for name, picture in (("a", one), ("b", one), ("c", two)):
        Image.fromarray(picture).save(folder / f"{name}.png")
    (folder / "boxes.csv").write_text(BOXES)
    return folder


def correspond(made, out, *options, names="abc"):
    words = ["correspond", "--model", made / "model.pt", "--image", *(made / f"{name}.png" for name in names)]
    words += ["--boxes", made / "boxes.csv", "--dpi", 60, "--draws", 3]
    words += ["--out-csv", out / "c.csv", "--out-png", out / "c.png", "--name", *names, *options]
    return main([str(word) for word in words])


def test_table_and_figure_are_the_same_each_time(made, tmp_path):
    written = []
    for _ in range(2):
        assert correspond(made, tmp_path) == 0
        written.append([(tmp_path / name).read_bytes() for name in ("c.csv", "c.png")])
    assert written[0] == written[1]
    found = pd.read_csv(tmp_path / "c.csv", keep_default_na=False)
    rows = [("eye", "part"), ("nose", "part"), ("eye", "random"), ("nose", "random"), ("", "random")]
    assert list(zip(found.part, found.masked, strict=True)) == rows * 2
    assert found.layer.unique().tolist() == ["conv5", "fc7"]
    assert found.draws.tolist() == [1, 1, 3, 3, 6] * 2
    assert np.allclose(found.delta, 6 * found["mean"], rtol=1e-4)
    assert (found[found.layer == "conv5"].changed > 0).all()
    assert correspond(made, tmp_path, "--seed", 1) == 0
    again = pd.read_csv(tmp_path / "c.csv", keep_default_na=False)
    named = found.masked == "part"
    assert again[named].equals(found[named])
    assert not again[~named].equals(found[~named])


def test_one_image_twice_corresponds_wholly(made, tmp_path):
    (made / "twins.csv").write_text("".join(line + "\n" for line in BOXES.splitlines() if line[0] != "c"))
    assert correspond(made, tmp_path, "--boxes", made / "twins.csv", names="ab") == 0
    found = pd.read_csv(tmp_path / "c.csv")
    named = found[found.masked == "part"]
    assert (named.delta == 0).all()
    assert (named["changed"] > 0).any()
    assert (found[found.masked == "random"].delta > 0).any()  # its boxes are drawn for each image


def test_the_table_is_the_sum_over_ordered_pairs():
    parts, draws = ["eye", "nose"], 2
    signs = np.random.default_rng(0).integers(-1, 2, (4, len(parts) * (1 + draws), 50)).astype(np.int8)
    rows = table(signs, parts)

    def brute(boxes):
        pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
        each = [
            [np.mean([a != b for a, b in zip(signs[i, box], signs[j, box], strict=True)]) for i, j in pairs]
            for box in boxes
        ]
        return np.mean([sum(one) for one in each]), np.mean(each), np.std(each)

    for row, boxes in zip(rows, ([0], [1], [2, 4], [3, 5], [2, 3, 4, 5]), strict=True):
        assert (row["delta"], row["mean"], row["std"]) == pytest.approx(brute(boxes))
        assert row["draws"] == len(boxes)
        assert row["changed"] == pytest.approx(np.mean(signs[:, boxes] != 0))


def test_random_boxes_are_as_large_and_go_everywhere():
    boxes = np.array([elsewhere((5, 5, 8, 9), (10, 12), 0, "a", "eye", draw) for draw in range(400)])
    assert (boxes[:, 2] - boxes[:, 0] == 3).all()
    assert (boxes[:, 3] - boxes[:, 1] == 4).all()
    assert set(boxes[:, 0]) == {*range(8)}
    assert set(boxes[:, 1]) == {*range(9)}


@pytest.mark.parametrize(
    ("options", "names", "sentence"),
    [
        ((), "a", "it compares images, so give at least 2"),
        ((), "ab", "line 6: no image is called 'c'"),
        (("--name", "a", "b"), "abc", "--name has 2 entries for 3 images"),
        (("--name", "a", "b", "b"), "abc", "Two images have one name"),
        (("--layers", "conv9"), "abc", "no layer 'conv9'"),
        (("--draws", 0), "abc", "correspond.draws is 0"),
        (("--boxes", "nowhere.csv"), "abc", "There is no table of boxes nowhere.csv"),
        (("--model", "nowhere.pt"), "abc", "nowhere.pt"),
    ],
)
def test_bad_options_end_in_one_sentence(made, tmp_path, capsys, options, names, sentence):
    assert correspond(made, tmp_path, *options, names=names) == 1
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())

"""One image: the strongest maps, of each only its maximum, projected."""

import numpy as np
import pytest
import torch
from PIL import Image
from small import PACKED, SIZE, model, model_file, pictures

from zfpipe.__main__ import main
from zfpipe.nets import deconvnet
from zfpipe.nets.layers import layers
from zfpipe.nets.trace import trace
from zfpipe.stages.view import project_strongest


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    model_file(folder / "model.pt")
    Image.fromarray(pictures(1)[0]).save(folder / "a.png")
    return folder


def view(made, out, *options):
    command = ["view", "--model", made / "model.pt", "--image", made / "a.png", "--layer", "conv3", "--out", out]
    return main([str(word) for word in [*command, *options]])


def test_each_of_the_strongest_maps_is_projected_from_its_maximum_alone():
    small = model()
    image = pictures(1)[0][:SIZE, :SIZE]
    traced = trace(small.network, (SIZE, SIZE))
    layer = layers(traced)["conv3"]
    projections, labels = project_strongest(small, traced, layer, image, 4)
    frame = small.normalise(torch.from_numpy(image.copy()).permute(2, 0, 1)[None])
    maps, project = deconvnet.forward(traced, frame, "conv3.relu")
    order = maps[0].flatten(1).amax(1).argsort(descending=True, stable=True)[:4]
    assert [label["unit"] for label in labels] == order.tolist()
    assert [label["rank"] for label in labels] == [0, 1, 2, 3]
    for projection, label in zip(projections, labels, strict=True):
        signal = torch.zeros_like(maps)
        unit, row, col = label["unit"], label["row"], label["col"]
        assert maps[0, unit, row, col] == maps[0, unit].max()
        signal[0, unit, row, col] = maps[0, unit, row, col]
        assert np.array_equal(projection, project(signal)[0].permute(1, 2, 0).numpy())


def test_the_last_map_can_be_the_strongest():
    small = model()
    last = len(small.network.conv3.conv.bias) - 1
    small.network.conv3.conv.bias[last] = 100.0
    traced = trace(small.network, (SIZE, SIZE))
    _, labels = project_strongest(small, traced, layers(traced)["conv3"], pictures(1)[0][:SIZE, :SIZE], 1)
    assert labels[0]["unit"] == last


def test_a_picture_is_written_the_same_each_time(made, tmp_path):
    for name in ("1.png", "2.png"):
        assert view(made, tmp_path / name, "--count", 3) == 0
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    with Image.open(tmp_path / "1.png") as picture:
        assert min(picture.size) > PACKED


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--count", 0], "view.count is 0"),
        (["--layer", "conv33"], "no layer 'conv33'"),
        (["--image", "nowhere.jpg"], "no image file nowhere.jpg"),
        (["--image", "photographs:chelse"], "did you mean 'chelsea'?"),
        (["--model", "nowhere.pt"], "nowhere.pt"),
    ],
)
def test_bad_options_end_in_one_sentence(made, tmp_path, capsys, options, sentence):
    out = tmp_path / "x.png"
    assert view(made, out, *options) == 1
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "Traceback" not in printed
    assert not out.exists()


def test_a_truncated_image_is_named(made, tmp_path, capsys):
    half = tmp_path / "half.png"
    half.write_bytes((made / "a.png").read_bytes()[:3000])
    assert view(made, tmp_path / "x.png", "--image", half) == 1
    assert "half.png" in capsys.readouterr().err

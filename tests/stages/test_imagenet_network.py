"""A real ImageNet network, where its weights are at hand: what it says of photographs, through the real stages."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zfpipe.__main__ import main
from zfpipe.data.packed import write_packed
from zfpipe.data.photographs import locate
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.files.topk import read_topk

PLACE = Path(os.environ.get("ZFPIPE_SQUEEZENET", Path(__file__).parents[3] / "shared/squeezenet1_1-imagenet.pt"))
LAYER = "features.10.expand3x3_activation"
EYES = 70  # a unit that looks for them
# name -> the square (left, top, side) of the photograph
VIEWS = {
    "chelsea": (140, 70, 200),
    "coffee": (150, 0, 400),
    "flower": (100, 0, 427),
    "china": (0, 0, 427),
    "astronaut": (150, 20, 170),
    "motorcycle": (80, 200, 300),
}
pytestmark = pytest.mark.skipif(not PLACE.is_file(), reason=f"needs SqueezeNet's ImageNet weights at {PLACE}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six views, packed, and the network's model file."""
    folder = tmp_path_factory.mktemp("imagenet")
    images = []
    for name, (left, top, side) in VIEWS.items():
        picture = Image.open(locate(name)).convert("RGB").crop((left, top, left + side, top + side))
        images.append(np.asarray(picture.resize((256, 256))))
    facts = {"split": "val", "size": 256, "manifest_sha256": "m" * 64}
    write_packed(folder / "val.h5", images, range(len(images)), list(VIEWS), list(VIEWS), **facts)
    model = f'{{"name": "torchvision:squeezenet1_1", "weights": "{PLACE}"}}'
    prepare = '{"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "value_range": 1}'
    words = ["train", "--val", folder / "val.h5", "--model", model, "--preprocess", prepare, "--epochs", 0]
    words += ["--out-model", folder / "model.pt", "--out-metrics", folder / "m.csv", "--out-curves", folder / "c.png"]
    assert main([str(word) for word in words]) == 0
    return folder


def run(*words):
    assert main([str(word) for word in words]) == 0


def test_its_units_see_what_people_see(folder):
    given = ["--model", folder / "model.pt", "--images", folder / "val.h5"]
    run("mine", *given, "--layers", LAYER, "--k", 3, "--out", folder / "shard.h5")
    run("merge", "--shards", folder / "shard.h5", "--out", folder / "topk.h5")
    names = [list(VIEWS)[index] for index in read_topk(folder / "topk.h5").layers[LAYER].image_index[EYES]]
    assert set(names[:2]) <= {"astronaut", "chelsea"}  # the two with a face
    topk = ["--topk", folder / "topk.h5", "--layer", LAYER, "--units", EYES]
    run("reconstruct", *given, *topk, "--out", folder / "layer.h5")
    with open_reconstruction(folder / "layer.h5") as found:
        strength = np.abs(found.projection(0)[0]).sum(2)  # the field is 143 pixels wide, an eye some 60
        assert strength[36:107, 36:107].sum() > 0.6 * strength.sum()

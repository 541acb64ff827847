"""A run's layers probed on another data set: its images are checked and packed at the run's size, and nothing more."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image


def other_images(root):
    generator = np.random.default_rng(0)
    for number, name in enumerate(("dark", "light")):
        for split, count in (("train", 7), ("val", 4)):
            folder = root / split / name
            folder.mkdir(parents=True)
            for image in range(count):
                pixels = generator.integers(0, 60, (70, 70, 3)) + 150 * number
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{image}.png")


@pytest.mark.slow
def test_layers_are_probed_on_another_data_set(place):
    other_images(place / "others")
    place.config["datasets"]["others"] = {"source": "folder", "root": "others"}
    place.set(probe={"dataset": "others", "images_per_class": [2, 5], "splits": 2, "test_images": 3, "dpi": 60})
    place.set(probe={"scratch_epochs": 2, "C": [10]})
    assert place.would_run() == {"check": 1, "pack": 2, "probe": 1}
    place.make()
    table = pd.read_csv(place / "results/tiny/probe/probe.csv")
    assert list(dict.fromkeys(table.layer)) == ["conv1", "conv2", "conv3", "fc6", "fc7", "all"]
    assert set(table.network) == {"trained", "random", "scratch"}
    assert set(table.tested) == {6}
    assert (place / "results/tiny/probe/probe.png").exists()
    assert (place / "results/data/others/pack/64/val.h5").exists()
    place.set(probe={"splits": 3})
    assert place.would_run() == {"probe": 1}

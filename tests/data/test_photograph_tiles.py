"""Where the tiles of the default data set lie: val apart from train and from one another."""

import numpy as np
import pytest
from image_examples import noise
from PIL import Image

from zfpipe.data.photographs import PHOTOGRAPHS, Tile, chosen, contrast, cut, locate, tiles
from zfpipe.errors import UserError

SIZES = {(512, 512), (300, 451), (427, 640), (400, 600), (872, 1000), (500, 741), (1411, 1411), (90, 97)}


@pytest.mark.parametrize(("height", "width"), sorted(SIZES))
@pytest.mark.parametrize("across", [9, 10, 12.5, 18])
def test_no_pixel_is_in_two_val_tiles_or_in_train_and_val(height, width, across):
    train, val = np.zeros((height, width), int), np.zeros((height, width), int)
    for tile in tiles(height, width, across, 0.25):
        counts = train if tile.split == "train" else val
        part = counts[tile.top : tile.top + tile.side, tile.left : tile.left + tile.side]
        assert part.shape == (tile.side, tile.side)  # inside the photograph
        part += 1
    assert val.max() == 1
    assert not (train[val > 0]).any()
    assert (val > 0).mean() > 0.15


@pytest.mark.parametrize(("height", "width"), sorted(SIZES))
@pytest.mark.parametrize("across", [9, 10, 18])
def test_every_cell_has_tiles_of_both_splits_inside_it(height, width, across):
    found = {}
    for tile in tiles(height, width, across, 0.25):
        found.setdefault(tile.cell, set()).add(tile.split)
        for start, length, place in ((tile.top, height, tile.cell[0]), (tile.left, width, tile.cell[1])):
            assert round(place * length / 3) <= start <= start + tile.side <= round((place + 1) * length / 3)
    assert found == {(row, column): {"train", "val"} for row in range(3) for column in range(3)}


def test_a_smaller_stride_gives_more_train_tiles_and_the_same_val_tiles():
    counts, val = [], set()
    for stride in (1, 0.5, 0.25, 0.1):
        found = list(tiles(512, 512, 10, stride))
        counts.append(sum(tile.split == "train" for tile in found))
        val.add(tuple(tile for tile in found if tile.split == "val"))
        assert len(set(found)) == len(found)
    assert counts == sorted(set(counts))
    assert len(val) == 1


def test_a_tile_is_cut_before_it_is_resized():
    image = noise(0, 100, 100)
    tile = Tile("train", (0, 0), 10, 20, 30)
    altered = Image.new("RGB", image.size, "white")
    altered.paste(image.crop((20, 10, 50, 40)), (20, 10))
    assert cut(image, tile, 64).tobytes() == cut(altered, tile, 64).tobytes()
    assert cut(image, tile, 30).tobytes() == image.crop((20, 10, 50, 40)).tobytes()


def test_contrast_is_the_deviation_about_each_channels_mean():
    assert contrast(Image.new("RGB", (9, 9), (250, 10, 90))) == 0
    half = np.zeros((4, 4, 3), np.uint8)
    half[:2] = 100
    assert contrast(Image.fromarray(half)) == 50


def test_all_photographs_are_where_the_packages_keep_them():
    for name in PHOTOGRAPHS:
        with Image.open(locate(name)) as image:
            assert min(image.size) >= 300
            assert image.mode == "RGB"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(PHOTOGRAPHS, "moon", ("no_such_package", "moon.png"))
    with pytest.raises(UserError, match=r"'moon' should be moon\.png of the Python package no_such_package"):
        locate("moon")


def test_flat_tiles_are_dropped_and_classes_without_a_side_too():
    everything = list(chosen(["rocket"], "cell", 10, 0.5, 0))
    some = list(chosen(["rocket"], "cell", 10, 0.5, 8))
    assert 0 < len(some) < len(everything)
    assert all(contrast(cut(photograph, tile, tile.side)) >= 8 for _, photograph, tile in some)
    sides = {}
    for name, _, tile in some:
        sides.setdefault(name, set()).add(tile.split)
    assert 0 < len(sides) < 9
    assert set(map(frozenset, sides.values())) == {frozenset({"train", "val"})}

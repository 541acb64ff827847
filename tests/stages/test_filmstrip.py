"""The figure of units through training: every picture where it belongs, a bar at every jump."""

import numpy as np
import pytest
from PIL import Image

from zfpipe.__main__ import main
from zfpipe.files.evolution import Evolution, LayerEvolution, read_evolution, write_evolution
from zfpipe.files.topk import LayerTopK
from zfpipe.pictures.filmstrips import JUMP, filmstrip_page, strip_of
from zfpipe.stages.filmstrip import add_arguments, describe

EPOCHS, CROP = [1, 2, 5], (6, 4)


def an_evolution():
    """Two units of 7 at three epochs: the first jumps once, the second is silent at first, and at the border."""
    generator = np.random.default_rng(0)
    entries = LayerTopK(
        "conv2",
        activation=np.array([[1, 2, 3], [0, 1.5, 0.5]], np.float32),
        image_index=np.array([[4, 4, 1], [-1, 0, 0]], np.int64),
        row=np.array([[1, 1, 2], [-1, 0, 0]], np.int32),
        col=np.array([[0, 0, 3], [-1, 4, 4]], np.int32),
        receptive_field=CROP,
        jump=(2, 2),
        start=(-1, 0),
        map_size=(5, 5),
    )
    there = entries.present[..., None, None, None]
    patch = (generator.integers(1, 256, (2, 3, *CROP, 3)) * there).astype(np.uint8)
    projection = (generator.normal(size=patch.shape) * there).astype(np.float32)
    label = np.where(entries.present, 0, -1).astype(np.int32)
    layer = LayerEvolution(np.array([2, 5], np.int32), entries, label, projection, patch, 7)
    digests = {"model_sha256": "m" * 64, "manifest_sha256": "t" * 64, "key": "0" * 16, "collide": "add"}
    facts = {"epochs": EPOCHS, "images": 5, "looked_at": 5, "seed": 0, "input_size": (12, 12), "classes": ["a"]}
    return Evolution(**facts, **digests, layers={"conv2": layer})


@pytest.fixture
def path(tmp_path):
    write_evolution(tmp_path / "evolve.h5", an_evolution())
    return tmp_path / "evolve.h5"


def options(*words):
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def test_what_is_written_is_what_is_read(path):
    one, other = an_evolution(), read_evolution(path)
    assert {name: value for name, value in vars(one).items() if name != "layers"} == {
        name: value for name, value in vars(other).items() if name != "layers"
    }
    mine, theirs = one.layers["conv2"], other.layers["conv2"]
    for name in ("unit", "label", "projection", "patch", "changed"):
        assert np.array_equal(getattr(mine, name), getattr(theirs, name))
    assert theirs.changed.tolist() == [[False, False, True], [False, False, False]]


def test_a_bar_stands_at_each_jump_and_pictures_stand_in_their_places(path):
    arguments = options("--evolution", path, "--layer", "conv2")
    found = read_evolution(path)
    layer = found.layers["conv2"]
    strips = [strip_of(layer, row, found.input_size, None, 0.995) for row in range(2)]
    text = describe(found, layer, strips, arguments)
    assert "1 change of image" in text.details
    assert "Empty" in text.notes
    assert "Hatched" in text.notes
    assert not {"Empty", "Hatched"} & set(describe(found, layer, strips[:1], arguments).notes.replace(":", "").split())
    pixels = filmstrip_page("png", strips, EPOCHS, CROP, (12, 12), text, 100).pixels
    rows, columns = np.nonzero((pixels == JUMP).all(axis=-1))
    assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1) > 100  # one bar, and it is whole
    enlarged = np.kron(layer.patch[0, 2], np.ones((pixels_in_tile(100)[0] // 6, pixels_in_tile(100)[1] // 4, 1)))
    place = find(pixels, enlarged)
    assert place[1] > columns.max()
    assert find(pixels, np.kron(layer.patch[0, 1], np.ones((10, 10, 1))))[1] < columns.min()
    above = find(pixels, np.kron(strips[0].pictures.reconstructions[2], np.ones((10, 10, 1))))
    assert above[1] == place[1]
    assert above[0] < place[0]


def pixels_in_tile(dpi):
    from zfpipe.pictures.filmstrips import TILE
    from zfpipe.pictures.grids import tile_size

    return tile_size(CROP, TILE * dpi)


def find(page, picture):
    """Return the one place (top, left) where a picture stands in a page."""
    high, wide = picture.shape[:2]
    corners = np.argwhere((page == picture[0, 0]).all(axis=-1))
    places = [
        (top, left) for top, left in corners if np.array_equal(page[top : top + high, left : left + wide], picture)
    ]
    assert len(places) == 1
    return places[0]


def test_figures_are_the_same_bytes_each_time(path, tmp_path):
    written = []
    for number in range(2):
        files = [tmp_path / f"{number}.{kind}" for kind in ("png", "pdf")]
        words = ["filmstrip", "--evolution", path, "--layer", "conv2", "--out-png", files[0], "--out-pdf", files[1]]
        assert main([str(word) for word in words]) == 0
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    with Image.open(tmp_path / "0.png") as picture:
        assert min(picture.size) > 300


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--layer", "conv3"], "has no layer 'conv3' (did you mean 'conv2'?)"),
        (["--layer", "conv2", "--quantile", 0], "--quantile is 0"),
        (["--layer", "conv2", "--dpi", 3], "--dpi is 3"),
        (["--layer", "conv2", "--channels", 3], "channels is [3]"),
        (["--layer", "conv2", "--evolution", "nowhere.h5"], "no file nowhere.h5"),
    ],
)
def test_bad_options_end_in_one_sentence(path, tmp_path, capsys, words, sentence):
    command = ["filmstrip", "--evolution", path, "--out-png", tmp_path / "f.png", *words]
    assert main([str(word) for word in command]) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "f.png").exists()


def test_what_no_reader_would_take_is_not_written(tmp_path):
    for key, value in (("activation", 0), ("row", 5), ("image_index", 5)):
        wrong = an_evolution()
        getattr(wrong.layers["conv2"].entries, key)[0, 0] = value
        with pytest.raises(ValueError, match=r"conv2: "):
            write_evolution(tmp_path / "e.h5", wrong)
    assert not list(tmp_path.iterdir())

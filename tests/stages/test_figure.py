"""`zfpipe figure`: which units are drawn, and what is refused."""

import h5py
import numpy as np
import pytest
from PIL import Image

from zfpipe.__main__ import main
from zfpipe.errors import UserError
from zfpipe.files.digest import sha256_file
from zfpipe.files.reconstruction import inside_image, open_reconstruction, writing_reconstruction
from zfpipe.files.topk import LayerTopK, TopK, write_topk
from zfpipe.stages import figure

INPUT, UNITS, K, DEAD = (24, 24), 12, 4, 5


def layer():
    rng = np.random.default_rng(0)
    activation = -np.sort(-rng.uniform(1, 9, (UNITS, K)).astype(np.float32), axis=1)
    activation[7] = activation[2]  # a tie between two units
    image_index = np.tile(np.arange(K), (UNITS, 1))
    row, col = rng.integers(0, 9, (2, UNITS, K)).astype(np.int32)
    for values, missing in ((activation, 0), (image_index, -1), (row, -1), (col, -1)):
        values[DEAD] = missing
    return LayerTopK("conv2", activation, image_index, row, col, (9, 9), (2, 2), (-1, -1), (9, 9))


@pytest.fixture
def results(tmp_path):
    entries = layer()
    boxes = entries.boxes(INPUT)
    write_topk(tmp_path / "topk.h5", TopK(K, "m", "f", 30, 0, 30, INPUT, {"conv2": entries}))
    made_from = {"model_sha256": "m", "manifest_sha256": "f", "topk_sha256": sha256_file(tmp_path / "topk.h5")}
    path = tmp_path / "conv2.h5"
    with writing_reconstruction(path, entries, range(UNITS), INPUT, images=30, **made_from) as writer:
        for unit, rank in np.argwhere(entries.present):
            inside = inside_image(boxes[unit, rank], INPUT)[..., None]
            projection = (np.ones((9, 9, 3)) * inside).astype(np.float32) * (unit + 1)
            writer.put(unit, rank, projection, (inside * np.full(3, 10 * unit)).astype(np.uint8), boxes[unit, rank])
    return tmp_path


def arguments(results, *more):
    parser = figure.argparse.ArgumentParser()
    figure.add_arguments(parser)
    out = ["--out-png", str(results / "a.png"), "--reconstruction", str(results / "conv2.h5")]
    return parser.parse_args([*out, *map(str, more)])


def chosen(results, *more):
    given = arguments(results, *more)
    figure._check(given)
    with open_reconstruction(given.reconstruction) as found:
        return found.unit[figure.choose(found, given)].tolist()


def described(results, *more):
    """Return what a figure with these options says."""
    given = arguments(results, *more)
    figure._check(given)
    with open_reconstruction(given.reconstruction) as found:
        units = [figure.unit_pictures(found, row, given) for row in figure.choose(found, given)]
        if not given.beside:
            return figure.describe(found, units, given)
        with open_reconstruction(given.beside) as other:
            return figure.describe(found, figure.with_beside(units, found, other, given), given, other)


def test_random_leaves_out_dead_units_and_is_the_same_for_ever(results):
    assert chosen(results, "--count", 4) == [2, 4, 6, 10]  # as first drawn: no library may change it
    everything = chosen(results, "--count", 99)
    assert everything == [unit for unit in range(UNITS) if unit != DEAD]
    assert chosen(results, "--count", 4, "--seed", 1) != chosen(results, "--count", 4)
    assert set(chosen(results, "--count", 4)) < set(chosen(results, "--count", 7))


def test_strongest_goes_by_rank_0_and_ties_to_the_lower_unit(results):
    order = chosen(results, "--select", "strongest")
    strengths = layer().activation[:, 0]
    assert order == sorted((u for u in range(UNITS) if u != DEAD), key=lambda u: (-strengths[u], u))
    assert order.index(2) + 1 == order.index(7)
    assert chosen(results, "--select", "strongest", "--count", 2) == order[:2]


def test_a_list_is_drawn_in_its_order_dead_units_too(results):
    assert chosen(results, "--units", 9, DEAD, 0) == [9, DEAD, 0]
    assert chosen(results, "--select", "list", "--units", 3, "--count", 1) == [3]


def test_a_layer_of_dead_units_is_still_a_figure(results):
    entries = layer()
    for values, missing in (
        (entries.activation, 0), (entries.image_index, -1), (entries.row, -1), (entries.col, -1),
    ):  # fmt: skip
        values[:] = missing
    facts = {"images": 30, "model_sha256": "m", "manifest_sha256": "f", "topk_sha256": "t"}
    with writing_reconstruction(results / "conv2.h5", entries, range(UNITS), INPUT, **facts):
        pass
    assert chosen(results, "--count", 3) == [0, 1, 2]
    figure.run(arguments(results, "--count", 3))
    assert Image.open(results / "a.png").width > 100


def test_zero_is_grey_and_each_unit_brings_its_own_patches(results):
    given = arguments(results, "--units", 3, 8)
    figure._check(given)
    with open_reconstruction(given.reconstruction) as found:
        for position in figure.choose(found, given):
            pictures = figure.unit_pictures(found, position, given)
            inside = np.stack([inside_image(box, INPUT) for box in pictures.boxes])
            assert (pictures.reconstructions[inside] == 255).all()
            assert (pictures.reconstructions[~inside] == 128).all()
            assert (pictures.patches[inside] == 10 * pictures.unit).all()


def test_the_figure_says_what_it_shows(results):
    text = described(results, "--count", 3, "--title", "zfnet", "--scale", "unit", "--quantile", 1)
    assert text.title == "zfnet \N{MIDDLE DOT} conv2"
    field = "a unit sees 9 \N{MULTIPLICATION SIGN} 9 px"
    for words in (field, "3 of 12 units (random, seed 0)", "30 images", "1 dead unit"):
        assert words in text.details
    assert "each unit is scaled by its own maximum" in text.notes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "all 11 units that are not dead, of 12"),
        (["--select", "strongest"], "all 11 units that are not dead, of 12, the strongest first"),
        (["--select", "strongest", "--count", 3], "3 of 12 units (the strongest)"),
        (["--units", 1, 2], "2 of 12 units (listed)"),
        (["--units", *range(12)], "all 12 units"),
    ],
)
def test_how_units_were_chosen_is_said_where_some_were_left_out(results, words, said):
    assert said in described(results, *words).details.split(" \N{MIDDLE DOT} ")


def test_a_coarser_mining_is_said_in_the_small_print(results):
    assert "Mined" not in described(results, "--topk", results / "topk.h5").notes
    write_topk(results / "topk.h5", TopK(K, "m", "f", 30, 0, 30, INPUT, {"conv2": layer()}, precision="bf16"))
    assert "Mined in bf16, coarser than float32" in described(results, "--topk", results / "topk.h5").notes


def test_the_small_print_speaks_of_what_is_drawn(results):
    boxes, alive = layer().boxes(INPUT), [unit for unit in range(UNITS) if unit != DEAD]
    outside = ((boxes[..., :2] < 0) | (boxes[..., 2:] > INPUT[0])).any(axis=(1, 2))
    within = [unit for unit in alive if not outside[unit]]
    assert 0 < len(within) < len(alive)
    assert "Hatched" in described(results, "--units", *alive).notes
    assert "Hatched" not in described(results, "--units", *within, DEAD).notes
    assert "Empty" in described(results, "--units", DEAD, 3).notes
    assert "Empty" not in described(results, "--units", 3).notes  # no unit that is drawn lacks an image


def test_beside_another_run_both_are_spoken_of(results):
    (results / "other.h5").write_bytes((results / "conv2.h5").read_bytes())
    with h5py.File(results / "other.h5", "r+") as file:
        for name, missing in (("activation", 0), ("image_index", -1), ("row", -1), ("col", -1), ("box", -1)):
            file[name][3] = missing
        file.attrs["dead"] = 2
    text = described(results, "--units", 3, "--beside", results / "other.h5", "--beside-title", "control")
    assert "Empty" in text.notes
    assert "1 dead unit, 2 of control" in text.details


def test_both_files_are_written_and_are_the_same_again(results, capsys):
    line = ["figure", "--reconstruction", str(results / "conv2.h5"), "--topk", str(results / "topk.h5")]
    for name in "ab":
        out = ["--out-png", str(results / f"{name}.png"), "--out-pdf", str(results / f"{name}.pdf")]
        assert main([*line, *out, "--count", "2", "--dpi", "60"]) == 0
    for kind in ("png", "pdf"):
        assert (results / f"a.{kind}").read_bytes() == (results / f"b.{kind}").read_bytes()
    assert "conv2: a unit sees" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--units", 3, 12], "conv2 has no unit 12 in .*conv2.h5, which holds units 0 to 11"),
        (["--units", 3, 3], "unit 3 is listed 2 times"),
        (["--select", "strongst"], "did you mean 'strongest'"),
        (["--select", "list"], "do not agree"),
        (["--select", "random", "--units", 3], "do not agree"),
        (["--count", 0], "--count is 0; it has to be at least 1"),
        (["--scale", "layer"], "it can be: patch, unit"),
        (["--quantile", 0], "above 0 and at most 1"),
        (["--quantile", 99.5], "above 0 and at most 1"),
        (["--dpi", 0], "from 30 to 1200"),
    ],
)
def test_a_bad_option_is_one_clear_sentence_and_no_file(results, more, message):
    with pytest.raises(UserError, match=message):
        figure.run(arguments(results, *more))
    assert not (results / "a.png").exists()


def test_nothing_to_write_is_refused(results):
    given = arguments(results)
    given.out_png = None
    with pytest.raises(UserError, match="give --out-png, --out-pdf, or both"):
        figure.run(given)


def test_a_file_of_another_kind_is_refused(results, capsys):
    line = ["figure", "--reconstruction", str(results / "topk.h5"), "--out-png", str(results / "a.png")]
    assert main(line) == 1
    assert "topk.h5 holds 'topk', where a file of kind 'reconstruction' is needed" in capsys.readouterr().err


def test_a_stale_reconstruction_is_refused(results):
    write_topk(results / "topk.h5", TopK(K, "retrained", "f", 30, 0, 30, INPUT, {"conv2": layer()}))
    with pytest.raises(UserError, match=r"conv2\.h5 is stale: it was made from another top-k file than .*topk\.h5"):
        figure.run(arguments(results, "--topk", results / "topk.h5"))


def test_damaged_pixels_are_named_and_nothing_is_drawn(results):
    path = results / "conv2.h5"
    with h5py.File(path) as file:
        place = file["patch"].id.get_chunk_info_by_coord((3, 0, 0, 0, 0)).byte_offset
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"conv2\.h5: /patch is damaged"):
        figure.run(arguments(results, "--units", 3))
    assert not (results / "a.png").exists()


def test_the_same_unit_of_another_run_is_set_beside(results):
    (results / "other.h5").write_bytes((results / "conv2.h5").read_bytes())
    with h5py.File(results / "other.h5", "r+") as file:
        file["projection"][...] *= -1
    given = arguments(results, "--units", 3, 1, "--title", "trained", "--beside", results / "other.h5")
    given.beside_title = "random"
    figure._check(given)
    with open_reconstruction(given.reconstruction) as found, open_reconstruction(given.beside) as other:
        alone = [figure.unit_pictures(found, row, given) for row in figure.choose(found, given)]
        both = figure.with_beside(alone, found, other, given)
    assert [(unit.unit, unit.of) for unit in both] == [(3, "trained"), (3, "random"), (1, "trained"), (1, "random")]
    assert np.array_equal(both[0].patches, both[1].patches)
    assert not np.array_equal(both[0].reconstructions, both[1].reconstructions)  # the other's own, not this run's twice
    figure.run(given)
    assert Image.open(results / "a.png").size[0] > 200


def test_what_cannot_be_set_beside_says_why(results):
    (results / "other.h5").write_bytes((results / "conv2.h5").read_bytes())
    with h5py.File(results / "other.h5", "r+") as file:
        file.attrs["channels"] = UNITS + 1
    with pytest.raises(UserError, match=r"other\.h5 cannot be set beside .*: its channels is 13, not 12; both runs"):
        figure.run(arguments(results, "--beside", results / "other.h5"))

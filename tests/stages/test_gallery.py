"""The stage gallery: its sheets and data are what the files hold; names stay text; the same inputs, the same bytes."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from gallery_site import CLASSES, DEAD, EPOCHS, EVIL, FOLLOWED, LAYERS, SOME, call, cell, evolution_file, made_from

from zfpipe.data.packed import open_packed
from zfpipe.files.evolution import read_evolution
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.files.sums import table_with_sums
from zfpipe.files.topk import read_topk
from zfpipe.site.layers import PIXELS
from zfpipe.site.pages import in_script
from zfpipe.site.pixels import look, smaller, unit_cells
from zfpipe.site.sheets import Sheets, fitting


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return made_from(tmp_path_factory.mktemp("gallery"))


@pytest.fixture(scope="module")
def site(options, tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "gallery"
    call("gallery", *options, "--out", out)
    return out


def data(site, name):
    """Return what a data script hands over."""
    text = (site / f"data/{name}.js").read_text()
    (put,) = re.findall(r'\Azfpipe\.put\("([^"]*)",(.*)\);\n\Z', text, re.S)
    assert put[0] == name
    return json.loads(put[1])


def test_weights_that_were_not_trained_have_no_training(options, site, tmp_path):
    (tmp_path / "metrics.csv").write_text(table_with_sums("epoch,train_loss,val_loss,val_top1\n0,,2.0,0.1\n"))
    metrics = options.index("--metrics") + 1
    untrained = [*options[:metrics], tmp_path / "metrics.csv", *options[metrics + 1 :]]
    call("gallery", *untrained, "--out", tmp_path / "gallery")
    pages = [(folder / "index.html").read_text() for folder in (site, tmp_path / "gallery")]
    for words, found in (("<h2>Training</h2>", 0), ('class="key train"', 0), ("<h2>Validation</h2>", 1)):
        assert [words in page for page in pages] == [found == 0, found == 1]


@pytest.mark.parametrize("layer", LAYERS)
def test_every_entry_is_found_in_the_sheets(options, site, layer):
    facts = data(site, f"layer-0-{LAYERS.index(layer)}")
    with open_reconstruction(options[options.index("--metrics") - 3 :][LAYERS[::-1].index(layer)]) as found:
        assert (facts["name"], facts["unit"]) == (layer, found.unit.tolist())
        for position in range(len(found.unit)):
            for kind, cells in zip(("projection", "patch"), unit_cells(found, position, None, 0.995), strict=True):
                layout = facts["sheets"][f"full {kind}"]
                assert len(cells) == facts["count"][position]
                for rank, pixels in enumerate(cells):
                    shown = cell(site, layout, position, rank).astype(int)
                    assert shown.shape == pixels.shape
                    if layout["kind"] == "png":
                        assert np.array_equal(shown, pixels)
                    elif kind == "patch":  # JPEG keeps photographs; noise of single pixels it does not
                        assert np.abs(shown - pixels).mean() < 6


def test_every_unit_has_the_histogram_of_all_images(options, site):
    mined = read_topk(options[options.index("--topk") + 1]).layers["conv3"]
    facts = data(site, "layer-0-2")
    edges, counts = np.array(facts["spread"]["edges"]), facts["spread"]["counts"]
    for position, unit in enumerate(SOME):
        assert sum(counts[position]) + facts["spread"]["silent"][position] == 11
        for value in mined.activation[unit][mined.present[unit]]:
            assert counts[position][np.searchsorted(edges, value, "right") - 1] > 0


def test_units_that_were_left_out_and_dead_ones(site):
    assert data(site, "layer-0-2")["unit"] == list(SOME)
    assert [data(site, "layer-0-1")["count"][unit] for unit in DEAD] == [0, 0]
    layers = {layer["name"]: layer for layer in data(site, "site")["runs"][0]["layers"]}
    assert list(layers) == list(LAYERS)
    assert layers["conv3"]["units"] == len(SOME) < layers["conv3"]["channels"]
    assert layers["conv2"]["dead"] == len(DEAD)


def test_units_through_training_are_found_in_their_sheets(options, site):
    found = read_evolution(options[options.index("--evolution") + 1]).layers["conv2"]
    facts = data(site, "epochs-0-1")
    assert (facts["epochs"], facts["unit"]) == (list(EPOCHS), list(FOLLOWED))
    assert [layer["followed"] for layer in data(site, "site")["runs"][0]["layers"]] == [[], list(FOLLOWED), []]
    assert facts["changed"] == [[False, True, False, True], [False, False, True, False], [False] * 4]
    assert facts["label"] == found.label.tolist()
    for position, column in np.argwhere(found.entries.present):
        assert facts["activation"][position][column] == pytest.approx(found.entries.activation[position, column], 1e-5)
        patch = cell(site, facts["sheets"]["full patch"], position, column).astype(int)
        assert np.abs(patch - found.patch[position, column]).mean() < 6
        shown = cell(site, facts["sheets"]["full projection"], position, column).astype(int) - 128
        assert np.corrcoef(shown.ravel(), found.projection[position, column].ravel())[0, 1] > 0.8


def test_an_image_names_every_place_where_it_stands(options, site):
    images = data(site, "images")
    layers = [data(site, f"layer-0-{number}") for number in range(len(LAYERS))]
    listed = {
        (index, *entry) for index, entries in zip(images["index"], images["entries"], strict=True) for entry in entries
    }
    wanted = {
        (index, number, position, rank)
        for number, layer in enumerate(layers)
        for position, indices in enumerate(layer["image_index"])
        for rank, index in enumerate(indices)
        if index >= 0
    }
    assert listed == wanted
    with open_packed(options[options.index("--images") + 1]) as packed:
        for place, index in enumerate(images["index"]):
            assert images["path"][place] == packed.paths[index]
            whole = packed.read_rows([index])[0][2:62, 2:62]
            assert np.abs(cell(site, images["sheets"], place, 0).astype(int) - whole).mean() < 8


def test_the_same_inputs_give_the_same_bytes(options, site, tmp_path):
    call("gallery", *options, "--out", tmp_path / "again")
    files = sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()
    )
    for file in files:
        assert (site / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file


def test_names_with_markup_stay_text(site):
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed((site / "index.html").read_text())
    assert not any("onerror" in attributes for _, attributes in tags)
    assert not any(tag == "b" for tag, _ in tags)
    assert "&lt;b&gt;fog&lt;/b&gt;" in (site / "index.html").read_text()
    for script in (site / "data").glob("*.js"):
        assert not set("<>&") & set(script.read_text()), script
    assert data(site, "site")["runs"][0]["classes"] == CLASSES
    assert EVIL in data(site, "images")["path"][0]


def test_in_script_nothing_ends_a_script():
    value = {"</script>": "<!-- & \u2028 \ud800"}
    assert json.loads(in_script(value)) == value
    assert in_script(value).isascii()
    assert not set("<>&") & set(in_script(value))


def test_everything_that_the_page_loads_is_in_the_folder(site):
    text = (site / "index.html").read_text()
    loaded = re.findall(r'(?:src|href)="([^"#][^"]*)"', text)
    assert len(loaded) > 10
    for path in loaded:
        assert path.startswith("data:") or (site / path).is_file(), path
    for script in (site / "page").iterdir():
        assert "http" not in script.read_text(), script


def test_stale_and_foreign_files_are_refused(options, tmp_path, capsys):
    def refused(sentence, **changed):
        words = list(map(str, options))
        for name, value in changed.items():
            words[words.index(f"--{name.replace('_', '-')}") + 1] = str(value)
        call("gallery", *words, "--out", tmp_path / "refused", status=1)
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "refused").exists()

    other = options[options.index("--beside-topk") + 1].parent
    refused("other weights", model=other / "model.pt")
    refused("is stale", reconstructions=other / "conv3.h5")
    refused("is stale", beside_reconstructions=options[options.index("--topk") + 1].parent / "conv1.h5")
    evolution_file(other, tmp_path / "evolve.h5")
    refused("run evolve again", evolution=tmp_path / "evolve.h5")
    (tmp_path / "report.json").write_text("{}")
    refused("is not whole", report=tmp_path / "report.json")
    refused("is no JSON", config="{")
    shutil.copy(options[options.index("--metrics") + 1], tmp_path / "metrics.csv")
    (tmp_path / "metrics.csv").write_text(table_with_sums("epoch,val_top1\n1,much\n"))
    refused("is no table of metrics", metrics=tmp_path / "metrics.csv")


def test_a_folder_that_is_there_is_left_alone(options, tmp_path, capsys):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/thesis.tex").write_text("years of work")
    call("gallery", *options, "--out", tmp_path / "site", status=1)
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "site/thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("side", [5, 40])
def test_sheets_find_every_cell_again(tmp_path, side):
    generator = np.random.default_rng(0)
    sheets = Sheets(tmp_path, "x", (side, side + 2), 3, 2, lossless=side < 32, pixels=30_000)
    blocks = [
        np.full((n, side, side + 2, 3), 0, np.uint8) + generator.integers(0, 255, (n, 1, 1, 3), np.uint8)
        for n in (6, 1, 0, 5, 6, 2, 6)
    ]
    for block in blocks:
        sheets.add(block)
    sheets.flush()
    assert len(list(tmp_path.iterdir())) == -(-len(blocks) // np.prod(sheets.layout()["blocks"]))
    layout = sheets.layout() | {"stem": "x"}
    for position, block in enumerate(blocks):
        for rank, pixels in enumerate(block):
            off = np.abs(cell(tmp_path, layout, position, rank).astype(int) - pixels)
            assert np.median(off) <= 4  # a pixel of the border between two cells may have a touch of both
            assert off[2:-2, 2:-2].max() <= 25


def test_pictures_of_a_large_layer_are_made_smaller_and_others_are_not():
    assert fitting((139, 139), 18 * 256, PIXELS) == (139, 139)  # the paper's fifth layer
    height, width = fitting((224, 300), 18 * 4096, PIXELS)  # a dense layer sees the whole image
    assert 18 * 4096 * height * width <= PIXELS < 1.1 * 18 * 4096 * height * width
    assert abs(width / height - 300 / 224) < 0.05
    assert fitting((64, 128), 1, PIXELS, largest=32) == (16, 32)
    assert fitting((3, 1000), 10**12, PIXELS) == (1, 1)


def test_looks_of_a_picture_and_its_negative_are_opposite():
    generator = np.random.default_rng(0)
    cells = generator.integers(1, 256, (3, 32, 32, 3)).astype(np.uint8)
    one, negative = look(cells).astype(float), look((256 - cells.astype(int)).astype(np.uint8)).astype(float)
    assert one @ negative / np.linalg.norm(one) / np.linalg.norm(negative) < -0.95
    assert not look(cells[:0]).any()
    assert smaller(cells, (8, 8)).shape == (3, 8, 8, 3)


@pytest.mark.parametrize("size", [(64, 64), (33, 64), (8, 8), (1, 1)])
@pytest.mark.parametrize("side", [65, 75, 90, 171, 195, 224])
def test_no_cell_that_is_made_smaller_shows_anything_of_its_neighbour(size, side):
    shades = np.arange(3, 256, 23, dtype=np.uint8)
    cells = np.broadcast_to(shades[:, None, None, None], (len(shades), side, side, 3))
    assert (smaller(cells, size) == shades[:, None, None, None]).all()

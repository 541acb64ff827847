"""Each view of the gallery in a real browser: it stands, it is right, nothing leaves the page, names stay text."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from gallery_site import CLASSES, DEAD, EVIL, SOME

from zfpipe.files.reconstruction import inside_image, open_reconstruction

VIEWS = {
    "#/": "one",
    "#/layer/conv2": "conv2 · one",
    "#/layer/conv2?sort=similar&to=3&show=patch": "conv2 · one",
    "#/layer/conv1/unit/2": "unit 2 of conv1 · one",
    "#/layer/conv2/unit/1": "unit 1 of conv2 · one",  # a dead one
    "#/layer/conv2/unit/5": "unit 5 of conv2 · one",  # followed through training
    "#/images": "Images · one",
    "#/image/0": f"val/{EVIL}/00.png · one",
    "#/compare": "Compare · one",
    "#/layer/conv9": "not found · one",
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_deep_link_opens_its_view(page, view):
    page.open(view)
    assert page.driver.title == VIEWS[view]
    assert len(page.texts("main h1")) == (1 if view == "#/" else 2)  # the overview's waits, hidden
    assert page.script("return document.querySelector('#overview').hidden") == (view != "#/")


@pytest.mark.parametrize("view", VIEWS)
def test_no_name_becomes_markup(page, view):
    page.open(view)
    assert page.driver.title != "evil"
    assert page.script("return document.querySelectorAll('[onerror], main img[src=x], main b > *').length") == 0


def test_names_are_shown_as_they_are(page):
    page.open("#/layer/conv2/unit/0")
    assert set(page.texts(".words .class")) <= set(CLASSES)
    assert all(EVIL in path for path in page.texts(".words .file"))


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_all_without_moving_sideways(page, view):
    page.width(360)
    page.open(view)
    assert page.script("return document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_to_complain_of(page, view, scheme):
    page.scheme(scheme)
    page.open(view)
    source = Path(importlib.util.find_spec("axe_core_python").origin).with_name("axe.min.js").read_text("utf-8")
    page.script(source)
    found = page.driver.execute_async_script("axe.run().then(arguments[0])")
    said = [(rule["id"], node["html"][:200]) for rule in found["violations"] for node in rule["nodes"]]
    assert said == []
    assert len(found["passes"]) > 10


def test_the_first_view_is_small(page, made):
    page.open()
    paths = {url.removeprefix(page.address).lstrip("/").split("#")[0] for url in page.requests() if "gallery" in url}
    sizes = {path: (made[0] / path).stat().st_size for path in paths if path}
    assert "index.html" in sizes
    assert any(path.startswith("pictures/") for path in sizes)
    assert sum(sizes.values()) < 1_000_000


def test_the_overview_tells_layers_accuracy_and_findings(page, topk):
    assert page.texts(".strip .name") == list(topk.layers)
    assert f"{len(DEAD)} dead" in page.texts(".strip .count")[1]
    assert "45.0 %" in page.texts(".numbers")[0]
    assert "grey <b>fog</b>" in page.texts("#overview table")[1]
    assert topk.model_sha256 in page.texts(".origin")[0]
    assert page.texts("#overview figcaption") == ["Loss", "Accuracy"]


def test_a_unit_shows_the_pixels_of_its_files(hosted, made):
    """Canvases, read back on a web host, against the reconstruction: the right cell, and nothing past the border."""
    hosted.open("#/layer/conv2/unit/5")
    source = made[1][made[1].index("--reconstructions") + 2]
    with open_reconstruction(source) as found:
        (position,) = np.flatnonzero(found.unit == 5)
        patches, boxes = found.patch(position), found.box[position]
        for rank in np.flatnonzero(found.present[position]):
            canvas = f".pairs:not(.other .pairs) li:nth-child({rank + 1}) .both > div:not(.back) canvas"
            shown = np.array(hosted.script(READ, canvas), np.uint8)
            by = shown.shape[0] // patches.shape[1]
            inside = inside_image(boxes[rank], found.input_size)
            small = shown[by // 2 :: by, by // 2 :: by]
            assert np.abs(small[inside][:, :3].astype(int) - patches[rank][inside]).mean() < 6
            assert not small[~inside][:, 3].any()
            assert small[inside][:, 3].min() == 255
        assert not all(inside_image(box, found.input_size).all() for box in boxes)


def test_a_tile_is_hatched_past_the_border_and_nowhere_else(hosted, made):
    hosted.open("#/layer/conv2")
    shown = np.array(hosted.script(READ, ".wall li:nth-child(6) canvas"), np.uint8)[..., 3]
    with open_reconstruction(made[1][made[1].index("--reconstructions") + 2]) as found:
        boxes, there, size = found.box[5], found.present[5], found.input_size
    side, gap = 2, 3
    cell = (len(shown) - gap) // side
    hatched = 0
    for rank in np.flatnonzero(there):
        top, left = (place * (cell + gap) for place in divmod(int(rank), side))
        inside = inside_image(boxes[rank], size)
        at = (np.arange(cell) + 0.5) * len(inside) // cell
        inside = inside[np.ix_(at.astype(int), at.astype(int))]
        alpha = shown[top : top + cell, left : left + cell]
        assert (alpha[inside] == 255).all()
        hatched += np.count_nonzero(alpha[~inside])
    assert hatched
    assert not shown[cell : cell + gap].any()


READ = """
const canvas = document.querySelector(arguments[0]);
canvas.scrollIntoView();
const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
const rows = [];
for (let y = 0; y < canvas.height; y += 1) {
  rows.push([]);
  for (let x = 0; x < canvas.width; x += 1) {
    const at = 4 * (y * canvas.width + x);
    rows[y].push(Array.from(data.slice(at, at + 4)));
  }
}
return rows;"""


def test_a_dead_unit_says_so_and_units_left_out_are_not_there(page):
    page.open(f"#/layer/conv2/unit/{DEAD[0]}")
    assert "dead" in page.one("#dynamic .note").text
    page.go("#/layer/conv3")
    assert sorted(page.units()) == sorted(SOME)
    page.go("#/layer/conv3/unit/1")
    assert "no unit 1" in page.one('#dynamic [role="alert"]').text


def test_an_image_lists_its_units_and_lays_a_projection_where_it_is(page, topk):
    page.open("#/image/3")
    wanted = {(name, unit) for name, layer in topk.layers.items() for unit in np.argwhere(layer.image_index == 3)[:, 0]}
    wanted = {(name, int(unit)) for name, unit in wanted if name != "conv3" or unit in SOME}
    links = page.script("return [...document.querySelectorAll('.entries a')].map((a) => a.getAttribute('href'))")
    assert {(link.split("/")[2], int(link.split("/")[4])) for link in links} == wanted
    page.script("document.querySelector('.entries a').focus()")
    page.settle()
    assert page.script("return document.querySelectorAll('.stage .over, .stage .frame').length") == 2
    page.choose("Layer", "conv2")
    assert page.texts(".desk h2") == ["conv2"]


def test_two_runs_stand_side_by_side(page):
    page.open("#/compare")
    assert page.one("#dynamic h1").text == "one beside other"
    page.choose("other", "conv2")
    assert page.script("return document.querySelectorAll('.couples li:nth-child(2) figure').length") == 2
    assert "dead" in page.texts("table.numbers-table")[0]
    page.go("#/layer/conv2/unit/3")
    assert "The same unit of other" in page.texts("#dynamic h2")

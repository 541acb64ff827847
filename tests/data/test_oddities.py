"""Odd images and data sets: each found by its name and only by it, at the threshold, and held to kept-up libraries."""

import io
from pathlib import Path

import imagehash
import numpy as np
import pytest
import yaml
from image_examples import noise, save
from PIL import Image, ImageFilter
from scipy.ndimage import laplace
from skimage.exposure import is_low_contrast
from test_checks import checked, found, paths

from zfpipe.data.decode import read_rgb
from zfpipe.data.findings import KINDS, THRESHOLDS, parse_policy
from zfpipe.data.measures import SIDE, at_most, measure
from zfpipe.data.photographs import PHOTOGRAPHS, locate

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"


def photograph(name="astronaut", side=200):
    return at_most(read_rgb(locate(name)), side)


@pytest.fixture
def root(tmp_path):
    """Four photographs in two classes, with nothing to find."""
    for path, name in {"train/a": "chelsea", "train/b": "coffee", "val/a": "motorcycle", "val/b": "china"}.items():
        save(photograph(name), tmp_path / path / "0.png")
    assert found(checked(tmp_path)) == {}
    return tmp_path


def levels(low, high):
    """The photograph with its grey values 0 to 255 squeezed between low and high."""
    return photograph().point(lambda value: low + value * (high - low) / 255)


def without_colour():
    return photograph().convert("L").convert("RGB")


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return Image.open(file)


ODD = {
    "near-blank": lambda: levels(90, 98),
    "very-dark": lambda: levels(0, 20),
    "very-bright": lambda: levels(240, 255),
    "low-contrast": lambda: levels(100, 128),
    "blurred": lambda: photograph().filter(ImageFilter.GaussianBlur(4)),
    "odd-shape": lambda: photograph("china").crop((0, 0, 299, 99)),
    "odd-size": lambda: photograph(side=49),
    "grey-as-rgb": without_colour,
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_image_is_found_used_and_can_be_raised_ignored_or_left_out(root, name):
    path = save(ODD[name](), root / "train/a/odd.png")
    also = {"very-dark": {"low-contrast"}, "very-bright": {"near-blank", "low-contrast"}, "odd-shape": set()}
    outcome = checked(root)
    assert found(outcome)[name] == [("train/a/odd.png",)]
    assert set(found(outcome)) - {name} <= also.get(name, set())
    assert "train/a/odd.png" in paths(outcome)
    assert "train/a/odd.png" not in paths(checked(root, leave_out=[name]))
    assert KINDS[name].severity == "warning"
    assert parse_policy([f"{name}=error"], []).severity(name) == "error"
    path.unlink()
    assert found(checked(root)) == {}


@pytest.mark.parametrize("name", sorted(set(THRESHOLDS) & set(ODD)))
def test_a_threshold_decides(root, name):
    save(ODD[name](), root / "train/a/odd.png")
    facts = checked(root).facts
    odd = next(fact for fact in facts if "odd" in fact.listed.path)
    values = {
        "near-blank": odd.looks.deviation,
        "very-dark": odd.looks.brightness,
        "very-bright": odd.looks.brightness,
        "low-contrast": odd.looks.tones,
        "blurred": odd.looks.sharpness,
        "odd-shape": max(odd.size) / min(odd.size),
        "odd-size": 200 / min(odd.size),
        "grey-as-rgb": odd.looks.colour,
    }
    at = values[name]
    for limit in (at, at + 0.01, max(0, at - 0.01)):
        above = name in ("very-bright", "odd-shape", "odd-size")
        expected = limit < at if above else (limit >= at if name == "grey-as-rgb" else limit > at)
        settings = {"near-blank": 0, "low-contrast": 0} if name in ("blurred", "low-contrast") else {}
        chosen = [f"{key}={value!r}" for key, value in (settings | {name: limit}).items()]
        assert (name in found(checked(root, thresholds=chosen))) == expected, limit


def test_grey_as_rgb_is_not_said_of_what_is_stored_as_grey(root):
    save(photograph().convert("L"), root / "train/a/grey.png")
    assert set(found(checked(root))) == {"greyscale"}


def test_a_little_colour_anywhere_is_colour():
    image = without_colour()
    image.putpixel((101, 57), (200, 0, 0))
    assert measure(image).colour == 200
    assert measure(photograph()).colour > 32
    assert measure(jpeg(without_colour(), quality=50)).colour <= THRESHOLDS["grey-as-rgb"]


@pytest.mark.parametrize(("file", "options", "detail"), [
    ("odd.jpg", {"format": "PNG"}, "named .jpg, holds PNG"),
    ("odd.png", {"format": "JPEG"}, "named .png, holds JPEG"),
    ("odd", {"format": "PNG"}, "named without a suffix, holds PNG"),
    ("odd.JPEG", {"format": "MPO", "save_all": True, "append_images": [noise(1)]}, None),
    ("odd.jfif", {"format": "JPEG"}, None),
])  # fmt: skip
def test_a_type_that_the_name_does_not_say(root, file, options, detail):
    save(photograph(), root / "train/a" / file, **options)
    entries = checked(root).findings.get("wrong-type", [])
    assert [entry.detail for entry in entries] == ([detail] if detail else [])


def test_near_duplicates_inside_a_side_and_across(root):
    image = photograph()
    save(image, root / "train/a/one.png")
    save(image, root / "train/a/copy.png")  # exact: another finding
    save(image, root / "train/b/small.jpg", quality=40)
    assert found(checked(root)) == {
        "duplicate": [("train/a/copy.png", "train/a/one.png")],
        "near-duplicate": [("train/a/copy.png", "train/b/small.jpg")],
    }
    near = checked(root).findings["near-duplicate"]
    assert near[0].detail == "of different classes: a, b"
    assert near[0].bad == ("train/b/small.jpg",)
    save(at_most(image, 120), root / "val/a/smaller.png")
    outcome = checked(root, leave_out=["near-leakage"])
    assert found(outcome)["near-leakage"] == [("train/a/copy.png", "train/b/small.jpg", "val/a/smaller.png")]
    assert "val/a/smaller.png" in paths(outcome)
    assert not {"train/a/copy.png", "train/b/small.jpg"} & set(paths(outcome))


def test_exact_copies_across_the_sides_are_no_near_copies(root):
    save(photograph(), root / "train/a/one.png")
    save(photograph(), root / "val/a/one.png")
    assert set(found(checked(root))) == {"leakage"}


def test_blank_images_are_no_near_copies(root):
    for value in (90, 91):
        save(Image.new("RGB", (200, 200), (value, 0, 0)), root / f"train/a/{value}.png")
    assert set(found(checked(root))) == {"near-blank"}


def test_classes_of_very_different_size(root):
    for seed in range(1, 13):
        save(noise(seed, 200, 200), root / f"train/b/{seed}.png")
    entry = checked(root).findings["class-imbalance"][0]
    assert entry.files == ("a/", "b/")
    assert entry.detail == "1 and 13 images, 13.0 times as many"
    assert "class-imbalance" not in found(checked(root, thresholds=["class-imbalance=13"]))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_measures_agree_with_libraries(name):
    image = read_rgb(locate(name))
    grey = at_most(image.convert("L"), SIDE)
    values = np.asarray(grey, np.float64)
    measures = measure(image)
    assert measures.brightness == pytest.approx(values.mean())
    assert measures.deviation == pytest.approx(values.std())
    assert measures.sharpness == pytest.approx(laplace(values)[1:-1, 1:-1].var(), rel=1e-4)
    low, high = np.percentile(values, [1, 99], method="inverted_cdf")
    assert measures.tones == high - low
    assert measures.phash == int(str(imagehash.phash(at_most(grey, 64))), 16)
    assert (measures.phash ^ int(str(imagehash.phash(image)), 16)).bit_count() <= 2
    for limit in (measures.tones - 3, measures.tones + 3):
        assert is_low_contrast(np.asarray(grey), fraction_threshold=limit / 255) == (measures.tones < limit)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_recompressed_and_resized_copies_are_near_and_other_photographs_far(name):
    image = read_rgb(locate(name))
    own = measure(image).phash
    for copy in (jpeg(image, quality=30), image.resize((image.width // 2, image.height // 2))):
        assert (own ^ measure(copy.convert("RGB")).phash).bit_count() <= THRESHOLDS["near-duplicate"]
    others = [measure(photograph(other)).phash for other in PHOTOGRAPHS if other != name]
    assert min((own ^ other).bit_count() for other in others) > 12


def test_the_schema_holds_the_thresholds_and_their_reasons():
    schema = yaml.safe_load(SCHEMA.read_text())["$defs"]["check"]["properties"]["thresholds"]["properties"]
    assert {name: key["default"] for name, key in schema.items()} == THRESHOLDS
    assert {name: key["description"] for name, key in schema.items()} == {name: KINDS[name].reason for name in schema}

"""Plots and thumbnails of the report: they stand in the page, show what is there, and are the same every time."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import pytest
from image_examples import noise, plain, save, truncated_jpeg
from PIL import Image
from test_checks import checked

from zfpipe.data.findings import Policy
from zfpipe.data.folder import list_folder
from zfpipe.data.page import thumbnail
from zfpipe.data.plots import class_plot, size_plot, sizes_of
from zfpipe.data.report import as_html, facts_for_report, thumbnails_for


def test_a_thumbnail_is_a_small_jpeg_in_the_page():
    uri = thumbnail(noise(1, 300, 200))
    assert uri == thumbnail(noise(1, 300, 200))
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert image.size == (75, 112)
    image.load()


def test_the_page_holds_the_thumbnails_of_its_findings_and_of_nothing_else(tmp_path):
    save(noise(0), plain(tmp_path) / "train/a/z.png")
    truncated_jpeg(tmp_path / "train/a/bad.jpg")
    outcome = checked(tmp_path)
    facts = facts_for_report("set", list_folder(tmp_path), outcome, Policy())
    thumbnails = thumbnails_for(tmp_path, facts, outcome, 2)
    assert list(thumbnails) == ["train/a/0.png", "train/a/z.png"]
    page = as_html(facts, thumbnails)
    assert page == as_html(facts, thumbnails_for(tmp_path, facts, outcome, 1))
    sources = re.findall(r'src="([^"]*)"', page)
    assert sources == list(thumbnails.values())
    assert "train/a/bad.jpg" in page


def test_many_cases_have_few_thumbnails(tmp_path, monkeypatch):
    monkeypatch.setattr("zfpipe.data.report.MOST_PICTURED", 3)
    outcome = checked(plain(tmp_path), min_size=99)
    facts = facts_for_report("set", list_folder(tmp_path), outcome, Policy())
    thumbnails = thumbnails_for(tmp_path, facts, outcome, 2)
    page = as_html(facts, thumbnails)
    assert page.count("<img") == len(thumbnails) == 3
    assert page.count("less than 99") == 8


def shapes(svg, name):
    return [node for node in ET.fromstring(svg).iter() if node.tag.endswith(name)]


def test_few_sizes_are_told_exactly_many_are_gathered_and_drawn_by_their_number():
    sizes = sizes_of([(96, 96)] * 9 + [(60, 4000)])
    assert sizes == [[60, 4000, 1], [96, 96, 9]]
    many = sizes_of([(500 + number % 20, 375) for number in range(2000)] + [(2000 + n, 100) for n in range(200)])
    assert sum(count for *_, count in many) == 2200
    assert len(many) < 20
    radii = [float(circle.get("r")) for circle in shapes(size_plot(sizes), "circle")]
    assert radii[1] > radii[0]
    assert sizes_of([(1, 1)]) == [[1, 1, 1]]
    assert shapes(size_plot([[1, 1, 1]]), "circle")
    assert size_plot([]) == ""


@pytest.mark.parametrize("count", [1, 5, 1000])
def test_classes_are_drawn_the_largest_first(count):
    rows = [{"name": f"{place}", "train": place + 1, "val": 1} for place in range(count)]
    bars = shapes(class_plot(rows), "rect")
    heights = [float(bar.get("height")) for bar in bars if bar.get("class") == "train"]
    assert len(heights) == count
    assert heights == sorted(heights, reverse=True)
    assert class_plot([]) == ""


def test_a_few_classes_have_their_names_below_and_many_only_when_pointed_at():
    rows = [{"name": name, "train": 3, "val": 1} for name in ("<b>cat", "a name that is far too long for a plot")]
    plot = class_plot(rows)
    words = [each.text for each in shapes(plot, "text")]
    assert "<b>cat" in words
    assert "a name that is far \N{HORIZONTAL ELLIPSIS}" in words
    assert "<title>&lt;b&gt;cat, val: 1</title>" in plot
    many = class_plot([{"name": f"class {place}", "train": 3, "val": 1} for place in range(200)])
    assert not any("class 7" in each.text for each in shapes(many, "text"))
    assert "<title>class 7, train: 3</title>" in many

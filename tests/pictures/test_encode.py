"""Pixels come out of a PNG and of a PDF as they went in."""

import io
import re
import zlib

import numpy as np
import pytest
from PIL import Image, PdfParser

from zfpipe.pictures import saving
from zfpipe.pictures.encode import ROWS, png, with_picture
from zfpipe.pictures.pages import Page, Words
from zfpipe.pictures.saving import save_page


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def undone(stream, shape):
    """Pixels of rows that are each less the pixel to the left (1) or less the row above (2)."""
    pixels, above = [], np.zeros(shape[1:], np.uint8)
    for kind, *row in stream.reshape(shape[0], -1):
        row = np.array(row, np.uint8).reshape(shape[1:])
        above = {1: row.cumsum(axis=0, dtype=np.uint8), 2: above + row}[int(kind)]
        pixels.append(above)
    return np.stack(pixels)


@pytest.mark.parametrize("height", [1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS])
def test_a_png_holds_every_pixel_and_its_resolution(height):
    pixels = noise(height, 7)
    read = Image.open(io.BytesIO(png(pixels, 150)))
    assert read.mode == "RGB"
    assert np.array_equal(np.asarray(read), pixels)
    assert read.info["dpi"] == pytest.approx((150, 150), abs=0.02)


def test_pixels_of_a_wider_array_are_taken_too():
    pixels = noise(70, 9)
    assert png(np.concatenate([pixels, pixels[..., :1]], axis=2)[..., :3], 150) == png(pixels, 150)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (ROWS + 1, 1), (2 * ROWS + 3, 40)])
def test_enlarged_pixels_are_kept_and_take_little_more_than_small_ones(height, width):
    small = noise(height, width)
    large = small.repeat(8, axis=0).repeat(8, axis=1)
    data = png(large, 150)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), large)
    assert len(data) < 2 * len(png(small, 150)) + 1000


def test_a_pdf_holds_every_pixel_upright_and_as_large_as_the_page(tmp_path):
    pixels = noise(2 * ROWS + 3, 50)
    save_page(tmp_path / "a.pdf", Page(pixels.copy(), 100, [Words("seen", 5, 9)]), "pdf")
    pdf = PdfParser.PdfParser((tmp_path / "a.pdf").as_posix(), mode="rb")
    (page,) = (pdf.read_indirect(reference) for reference in pdf.pages)
    (picture,) = pdf.read_indirect(pdf.read_indirect(page[b"Resources"])[b"XObject"]).values()
    image = pdf.read_indirect(picture)
    assert (image.dictionary[b"Height"], image.dictionary[b"Width"]) == pixels.shape[:2]
    assert image.dictionary[b"DecodeParms"][b"Predictor"] == 15  # each row says what it is less, as in a PNG
    assert np.array_equal(undone(np.frombuffer(zlib.decompress(image.buf), np.uint8), pixels.shape), pixels)
    streams = re.findall(rb"\nstream\n(.*?)\nendstream", bytes(pdf.buf), re.DOTALL)
    drawn = next(text for text in map(zlib.decompress, streams) if b"/I1 Do" in text)
    place = re.search(rb"cm\s([\d.]+)\s0\s0\s([\d.-]+)\s(\S+)\s(\S+)\scm\s/I1 Do", drawn).groups()
    size = 50 * 72 / 100, len(pixels) * 72 / 100
    assert [float(number) for number in place] == pytest.approx([*size, 0, 0], abs=0.02)


def test_a_pdf_of_another_layout_has_an_image_as_large_put_there_by_matplotlib(tmp_path, monkeypatch):
    page = Page(noise(20, 30), 100, [Words("seen", 5, 9)])
    save_page(tmp_path / "a.pdf", page, "pdf")
    monkeypatch.setattr(
        saving, "with_picture", lambda pdf, pixels: with_picture(pdf.replace(b"trailer", b"end"), pixels)
    )
    save_page(tmp_path / "b.pdf", page, "pdf")
    shapes = [re.findall(rb"/(Width|Height) (\d+)", (tmp_path / name).read_bytes())[-2:] for name in ("a.pdf", "b.pdf")]
    assert [dict(shape) for shape in shapes] == [{b"Width": b"30", b"Height": b"20"}] * 2

"""A page's pixels as the bytes of a PNG, or of a PDF's image: one lossless stream, at a speed that a whole layer needs.

Both formats take rows of pixels, each less the row above or less the pixel to the left, through zlib. Pillow tries five
such differences for every row, and looks for repeats everywhere; that takes longer and makes a figure little smaller.
"""

import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LEFT, UP = 1, 2  # PNG's numbers of the differences with the pixel to the left and with the row above
# Of repeats zlib looks for runs of one byte alone. Differences of enlarged pixels and of bare paper are runs of zeros;
# little else repeats in a photograph or a projection.
SQUEEZE = {"level": 1, "memLevel": 9, "strategy": zlib.Z_RLE}
ROWS = 64  # at once: few enough to stay in the processor's cache
INCH = 0.0254  # metres


def png(pixels: np.ndarray, per_inch: float) -> bytes:
    """Return pixels (H, W, 3) uint8 as a PNG of `per_inch` pixels an inch; the same bytes each time."""
    height, width = pixels.shape[:2]
    metre = round(per_inch / INCH)
    begin = _chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))  # 8 bits a colour, RGB
    begin += _chunk(b"pHYs", struct.pack(">2IB", metre, metre, 1))
    return b"".join([SIGNATURE, begin, *(_chunk(b"IDAT", part) for part in _stream(pixels)), _chunk(b"IEND", b"")])


def with_picture(pdf: bytes, pixels: np.ndarray) -> bytes | None:
    """Return a PDF whose only image is replaced by pixels (H, W, 3) uint8, at the same place and size on the page.

    It is changed as the standard has it (incremental update): the new image, and where it stands, come at the end.
    None if the PDF is not laid out as matplotlib's are.
    """
    picture = re.search(rb"\n(\d+) 0 obj\n<< /Type /XObject /Subtype /Image", pdf)
    ending = re.search(rb"\ntrailer\n<< (.*?) >>\nstartxref\n(\d+)\n%%EOF\n$", pdf, re.DOTALL)
    if picture is None or ending is None:
        return None
    number, (trailer, before) = int(picture[1]), ending.groups()
    height, width = pixels.shape[:2]
    stream = list(_stream(pixels))
    head = (
        f"{number} 0 obj\n<< /Type /XObject /Subtype /Image /Width {width} /Height {height}\n"
        "/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode\n"
        f"/DecodeParms << /Predictor 15 /Colors 3 /Columns {width} >> /Length {sum(map(len, stream))} >>\nstream\n"
    )
    image = [head.encode(), *stream, b"\nendstream\nendobj\n"]
    places = b"xref\n%d 1\n%010d 00000 n \ntrailer\n<< %b /Prev %b >>\n" % (number, len(pdf), trailer, before)
    end = b"startxref\n%d\n%%%%EOF\n" % (len(pdf) + sum(map(len, image)))
    return b"".join([pdf, *image, places, end])


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def _stream(pixels: np.ndarray) -> Iterator[bytes]:
    """Yield the parts of the stream of pixels."""
    squeeze = zlib.compressobj(**SQUEEZE)
    above = np.zeros((1, 3 * pixels.shape[1]), np.uint8)
    for top in range(0, len(pixels), ROWS):
        rows = np.concatenate([above, pixels[top : top + ROWS].reshape(-1, above.shape[1])])
        yield squeeze.compress(_differences(rows))
        above = rows[-1:]
    yield squeeze.flush()


def _differences(rows: np.ndarray) -> np.ndarray:
    """Return each row but the first less the one above it, or less the pixel to the left where that leaves more zeros.

    A row of enlarged pixels is like the one above it; the first of its kind is like itself a pixel further on.
    """
    up, left = (np.full((len(rows) - 1, 1 + rows.shape[1]), kind, np.uint8) for kind in (UP, LEFT))
    np.subtract(rows[1:], rows[:-1], out=up[:, 1:])
    left[:, 1:4] = rows[1:, :3]
    np.subtract(rows[1:, 3:], rows[1:, :-3], out=left[:, 4:])
    for line, other in zip(up, left, strict=True):
        if np.count_nonzero(other) < np.count_nonzero(line):
            line[:] = other
    return up

"""Boxes of parts: where they come to stand in a network's input, and tables that are wrong."""

import numpy as np
import pytest
from PIL import Image

from zfpipe.data.boxes import pixel_box, read_boxes
from zfpipe.data.one_image import read_one, size_of_image
from zfpipe.errors import UserError

HEAD = "image,part,top,left,bottom,right\n"


@pytest.mark.parametrize("packed", [(92, 92), (60, 110), (110, 60)])
@pytest.mark.parametrize("size", [(301, 200), (200, 333), (150, 900), (92, 92)])
def test_a_box_stands_where_its_pixels_come_to_stand(tmp_path, size, packed):
    short, middle = min(size), [side // 2 for side in size]
    box = (*(side - short // 9 for side in middle), *(side + short // 7 for side in middle))
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[box[0] : box[2], box[1] : box[3]] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    crop = (packed[0] - 12, packed[1] - 12)
    seen = read_one(str(tmp_path / "a.png"), packed, crop, 3)[..., 0] > 127
    rows, columns = (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
    found = pixel_box(box, size_of_image(str(tmp_path / "a.png")), packed, crop, "it")
    expected = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
    assert np.abs(np.subtract(found, expected)).max() <= 1


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        ((-1, 0, 5, 5), "outside its image of 100 x 200"),
        ((0, 0, 101, 5), "outside its image of 100 x 200"),
        ((0, 90, 10, 110), "leaves what the network sees"),
        ((40, 20, 60, 60), "leaves what the network sees"),
        ((50, 100, 50.3, 110), "less than a pixel"),
    ],
)
def test_boxes_that_do_not_fit(box, sentence):
    with pytest.raises(UserError, match=sentence):
        pixel_box(box, (100, 200), (92, 92), (80, 80), "the eye")
    assert pixel_box((45, 95, 55, 105), (100, 200), (92, 92), (80, 80), "it") == (35, 35, 45, 45)


def test_a_table_is_read_with_parts_in_one_order(tmp_path):
    (tmp_path / "t.csv").write_text(HEAD + "b,eye,1,2,3,4\nb,nose,5,6,7,8\na,nose,1,1,2,2.5\na,eye,3,3,4,4\n")
    found = read_boxes(tmp_path / "t.csv", ["a", "b"])
    assert [list(parts) for parts in found.values()] == [["nose", "eye"], ["nose", "eye"]]
    assert found["a"]["nose"] == (1, 1, 2, 2.5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("image,part,top,left,bottom\na,eye,1,2,3\n", "lacks the column 'right'"),
        (HEAD + "a,eye,1,2,3\n", "line 2, has not as many cells"),
        (HEAD + "a,eye,1,2,3,x\n", "line 2: could not convert"),
        (HEAD + "a,eye,3,2,3,4\n", "line 2: the box is empty"),
        (HEAD + "a,eye,1,2,nan,4\n", "line 2: the box is empty"),
        (HEAD + "aa,eye,1,2,3,4\n", "line 2: no image is called 'aa'"),
        (HEAD + "a,eye,1,2,3,4\na,eye,1,2,3,4\n", "line 3: the image 'a' has the part 'eye' twice"),
        (HEAD + "a,,1,2,3,4\n", "names no part"),
        (HEAD + "a,eye,1,2,3,4\n", "'b' lacks the part 'eye'"),
        (HEAD, "'a' lacks boxes"),
        ("", "lacks the column 'image'"),
    ],
)
def test_tables_that_are_wrong(tmp_path, text, sentence):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_boxes(tmp_path / "t.csv", ["a", "b"])

"""Words in and beside pictures: what a unit sees, and where lines break."""

import pytest

from zfpipe.pictures.pages import wrap
from zfpipe.pictures.prose import TIMES, seen


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ((7, 7), "7 x 7 px"),
        ((75, 75), "75 x 75 px, more than the image has"),
        ((48, 48), "the whole image, 48 x 48 px"),
        ((75, 40), "48 x 40 px"),
    ],
)
def test_no_unit_sees_more_than_the_image(field, said):
    assert seen(field, (48, 48)) == said.replace(" x ", f" {TIMES} ")


def test_a_number_is_not_parted_from_its_unit():
    text = f"scaled by its own 99.5 % quantile of 48 {TIMES} 64 px and clipped"
    for letters in range(12, 60):
        lines = wrap(text, letters * 0.62 * 6 / 72 + 1e-6, 6)
        assert " ".join(lines).replace("\N{NO-BREAK SPACE}", " ") == text
        assert not any(line.startswith(("%", "px", TIMES)) or line.endswith(TIMES) for line in lines)

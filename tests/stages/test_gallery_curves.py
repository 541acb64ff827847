"""The curves on a gallery's first page: what is drawn is named, and where numbers lie far apart they are seen."""

import re

from zfpipe.site.overview import plots, trained

TRAINING = [
    {"epoch": 1.0, "train_loss": 7.0, "val_loss": 2819.0, "train_top1": 0.4, "val_top1": 0.3},
    {"epoch": 2.0, "train_loss": 0.5, "val_loss": 3.0, "train_top1": 0.7, "val_top1": 0.9},
]


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def heights(svg, kind):
    """Return how high the points of a line stand, in pixels from the top."""
    (line,) = re.findall(rf'class="line {kind}" d="M([^"]*)"', svg)
    return [float(point.split()[1]) for point in line.split("L")]


def test_losses_far_apart_stand_on_a_logarithmic_axis():
    loss, accuracy = (plot["svg"] for plot in plots(TRAINING))
    assert texts(loss)[:6] == ["0.1", "1", "10", "100", "1000", "10000"]
    first, second = heights(loss, "train")
    assert second - first > 20  # 7 stands well above 0.5
    assert texts(accuracy)[:2] == ["0 %", "20 %"]


def test_large_losses_are_written_out():
    rows = [{"epoch": 1.0, "val_loss": 2819.0}, {"epoch": 2.0, "val_loss": 1500.0}]
    assert {"1000", "2000"} <= set(texts(plots(rows)[0]["svg"]))


def test_a_validation_alone_has_one_line_and_its_epoch_below():
    rows = [{"epoch": 0.0, "val_loss": 2.0, "val_top1": 0.1}]
    assert trained(TRAINING)
    assert not trained(rows)
    for plot in plots(rows):
        assert 'class="line train"' not in plot["svg"]
        assert "by epoch, validation<" in plot["svg"]
        assert [text for text in texts(plot["svg"]) if "epoch" in text] == ["epoch 0"]

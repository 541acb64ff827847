"""The curves show every column, and the same rows give the same bytes."""

import pytest

from zfpipe.errors import UserError
from zfpipe.nets.training import COLUMNS
from zfpipe.pictures import curves
from zfpipe.pictures.curves import draw_curves

ROWS = [dict.fromkeys(COLUMNS, 0.5 / epoch) | {"epoch": epoch} for epoch in (1, 2, 3)]


def lines_drawn(tmp_path, monkeypatch, rows):
    """Return {label: y values} of all lines."""
    kept = []
    monkeypatch.setattr(curves, "save_figure", lambda path, figure, *_, **__: kept.append(figure))
    draw_curves(tmp_path / "curves.png", rows)
    return {line.get_label(): list(line.get_ydata()) for axes in kept[0].axes for line in axes.lines}


def test_every_curve_is_drawn_from_its_column(tmp_path, monkeypatch):
    rows = [dict(zip(COLUMNS, range(number, number + len(COLUMNS)), strict=True)) for number in (1, 2)]
    assert lines_drawn(tmp_path, monkeypatch, rows) == {
        "training": [2, 3],
        "training, top-1": [3, 4],
        "training, top-5": [4, 5],
        "validation": [5, 6],
        "validation, top-1": [6, 7],
        "validation, top-5": [7, 8],
        "learning rate": [8, 9],
    }


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], [{"epoch": 0, "val_loss": 2.0, "val_top1": 0.1}], []])
def test_the_same_rows_give_the_same_bytes(tmp_path, rows):
    draw_curves(tmp_path / "one.png", rows, "zfnet")
    draw_curves(tmp_path / "two.png", rows, "zfnet")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_weights_that_were_not_trained_have_no_panel_of_a_rate(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(curves, "save_figure", lambda path, figure, *_, **__: kept.append(figure))
    draw_curves(tmp_path / "curves.png", [{"epoch": 0, "val_loss": 2.0, "val_top1": 0.1}])
    assert [axes.get_ylabel() for axes in kept[0].axes] == ["cross-entropy (nats)", "fraction right"]
    assert kept[0].axes[0].get_legend().get_texts()[0].get_text() == "validation"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        draw_curves(tmp_path / "file" / "curves.png", ROWS)


def test_top5_of_five_classes_says_nothing_and_is_left_out(tmp_path, monkeypatch):
    rows = [row | {"train_top5": 1.0, "val_top5": 1.0} for row in ROWS]
    assert "validation, top-5" not in lines_drawn(tmp_path, monkeypatch, rows)


def test_the_axis_of_epochs_begins_at_the_first_and_has_a_tick_at_the_last(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(curves, "save_figure", lambda path, figure, *_, **__: kept.append(figure))
    for last in (1, 3, 26, 70):
        draw_curves(tmp_path / "curves.png", [ROWS[0] | {"epoch": epoch} for epoch in range(1, last + 1)])
        for axes in kept.pop().axes:
            assert (axes.get_xticks()[0], axes.get_xticks()[-1]) == (1, last)
            assert len(axes.get_xticks()) <= 9
    assert curves.epoch_ticks(1, 26) == [1, 5, 10, 15, 20, 26]


def test_losses_far_apart_stand_on_a_logarithmic_axis(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(curves, "save_figure", lambda path, figure, *_, **__: kept.append(figure))
    for first, scale in ((2819.0, "log"), (20.0, "linear")):
        rows = [{"epoch": 1, "train_loss": 0.5, "val_loss": first}, {"epoch": 2, "train_loss": 0.4, "val_loss": 0.5}]
        draw_curves(tmp_path / "curves.png", rows)
        assert kept.pop().axes[0].get_yscale() == scale


def test_why_there_is_nothing_to_draw_is_said(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(curves, "save_figure", lambda path, figure, *_, **__: kept.append(figure))
    draw_curves(tmp_path / "curves.png", [], "zfnet", "the weights are random")
    assert kept[0].get_suptitle() == "zfnet (no metrics: the weights are random)"

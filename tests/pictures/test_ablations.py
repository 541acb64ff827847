"""The figure of errors shows those that say something."""

import pytest

from zfpipe.pictures import ablations


@pytest.mark.parametrize(("top5", "drawn"), [([12.0, None], True), ([0.0, 0.0], False), ([0.0, 3.0], True)])
def test_top5_of_five_classes_or_fewer_is_left_out(tmp_path, monkeypatch, top5, drawn):
    kept = []
    monkeypatch.setattr(ablations, "save_figure", lambda path, figure, *_, **__: kept.append(figure))
    facts = {"run": "a", "changes": "none", "parameters": 1, "train_top1_error": 1.0, "val_top1_error": 20.0}
    ablations.draw_ablation(tmp_path / "a.png", [facts | {"val_top5_error": error} for error in top5])
    labels = [line.get_label() for line in kept[0].axes[0].lines]
    assert ("validation, top-5" in labels) == drawn
    assert "validation, top-1" in labels

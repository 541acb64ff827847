"""The stage selectivity: its table against counting by hand; what is refused."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from small import model_file, packed_file

from zfpipe.__main__ import main
from zfpipe.data.packed import open_packed
from zfpipe.files.topk import read_topk, write_topk
from zfpipe.nets.selectivity import by_chance


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("selectivity")
    packed_file(folder / "val.h5")
    model_file(folder / "model.pt", dead=(1, 4))
    given = ["--model", folder / "model.pt", "--images", folder / "val.h5", "--layers", "conv1", "conv2", "--k", 4]
    assert main([str(word) for word in ["mine", *given, "--out", folder / "topk.h5"]]) == 0
    return folder


def selectivity(folder, out, topk="topk.h5"):
    words = ["selectivity", "--topk", folder / topk, "--images", folder / "val.h5"]
    return main([str(word) for word in [*words, "--out-csv", out / "s.csv", "--out-png", out / "s.png"]])


def test_the_table_counts_each_units_classes(made, tmp_path):
    assert selectivity(made, tmp_path) == 0
    table, mined = pd.read_csv(tmp_path / "s.csv"), read_topk(made / "topk.h5")
    with open_packed(made / "val.h5") as packed:
        labels, classes = list(packed.labels), packed.classes
    assert len(table) == sum(len(layer.row) for layer in mined.layers.values())
    for row in table.itertuples():
        layer = mined.layers[row.layer]
        own = [classes[labels[index]] for index in layer.image_index[row.unit] if index >= 0]
        assert row.entries == len(own)
        assert row.excited == pytest.approx(1 - layer.histogram[row.unit, 0] / mined.images, abs=1e-4)
        if not own:
            assert np.isnan(row.selectivity)
            continue
        counts = Counter(own)
        part = np.array(list(counts.values())) / len(own)
        assert (counts[row[6]], row.share) == (max(counts.values()), pytest.approx(part.max(), abs=1e-4))
        assert row.entropy == pytest.approx(-(part * np.log2(part)).sum(), abs=1e-4)
        assert row.by_chance == pytest.approx(by_chance(np.array(labels), len(own), len(classes)), abs=1e-4)
    assert {3, 4} <= set(table.entries)  # not all that are alive have as many images as were asked for
    assert (table.entries == 0).sum() >= 2  # the dead ones
    first = [(tmp_path / name).read_bytes() for name in ("s.csv", "s.png")]
    assert selectivity(made, tmp_path) == 0
    assert [(tmp_path / name).read_bytes() for name in ("s.csv", "s.png")] == first


def test_a_unit_of_few_images_counts_neither_in_the_median_nor_in_the_figure(made, tmp_path, capsys, monkeypatch):
    topk = read_topk(made / "topk.h5")
    layer = topk.layers["conv2"]
    for column, missing in (("image_index", -1), ("row", -1), ("col", -1), ("activation", 0)):
        getattr(layer, column)[:3, 1:] = missing  # of three units one image is left, or none
    write_topk(tmp_path / "topk.h5", topk)
    drawn = {}
    monkeypatch.setattr("zfpipe.stages.selectivity.draw_strips", lambda path, columns, *words: drawn.update(columns))
    assert selectivity(made, tmp_path, tmp_path / "topk.h5") == 0
    table = pd.read_csv(tmp_path / "s.csv").query("layer == 'conv2'")
    few = table[table.entries == 1]
    assert set(few.selectivity) == set(few.by_chance) == {1}
    full = table[table.entries == 4].selectivity
    assert drawn["conv2"].tolist() == full.tolist()
    assert f"median {full.median():.2f} of {len(full)} of {len(table)} units" in capsys.readouterr().err


def test_what_does_not_belong_together_is_one_sentence(made, tmp_path, capsys):
    other = read_topk(made / "topk.h5")
    other.manifest_sha256 = "other"
    write_topk(made / "other.h5", other)
    for topk, sentence in (("other.h5", "mined over other images"), ("none.h5", "There is no file")):
        assert selectivity(made, tmp_path, topk) == 1
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "s.csv").exists()

"""The trained network beside its control, from files to a table and a figure."""

import numpy as np
import pandas as pd
import pytest
import torch
from small import SIZE, SPEC, model, model_file, packed_file

from zfpipe.__main__ import main
from zfpipe.data.decode import centre_crop
from zfpipe.data.packed import open_packed
from zfpipe.files.topk import read_topk
from zfpipe.nets import deconvnet
from zfpipe.nets.trace import trace
from zfpipe.pictures.likeness import of_ranks, structural

LAYERS = ["conv1", "conv3", "conv5"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("similarity")
    for seed in (0, 1):
        model_file(folder / f"{seed}.pt", seed=seed)
    packed_file(folder / "val.h5")
    mine = ["mine", "--model", f"{folder}/0.pt", "--images", f"{folder}/val.h5", "--layers", *LAYERS, "--k", "3"]
    assert main([*mine, "--out", f"{folder}/topk.h5"]) == 0
    return folder


def similarity(made, out, control, *options):
    words = ["similarity", "--model", made / "0.pt", "--control", made / control, "--images", made / "val.h5"]
    words += ["--topk", made / "topk.h5", "--out-csv", out / "s.csv", "--out-png", out / "s.png", *options]
    return main([str(word) for word in words])


def test_a_network_is_like_itself(made, tmp_path):
    assert similarity(made, tmp_path, "0.pt", "--units", 4) == 0
    table = pd.read_csv(tmp_path / "s.csv")
    assert table.layer.unique().tolist() == LAYERS
    assert table.groupby("layer").unit.nunique().max() <= 4
    assert np.allclose(table.ranks, 1)
    assert np.allclose(table.structural.dropna(), 1)


def test_another_networks_are_those_of_full_frames(made, tmp_path):
    written = []
    for _ in range(2):
        assert similarity(made, tmp_path, "1.pt", "--units", "5") == 0
        written.append([(tmp_path / name).read_bytes() for name in ("s.csv", "s.png")])
    assert written[0] == written[1]
    table = pd.read_csv(tmp_path / "s.csv")
    assert table.ranks.abs().max() < 0.999
    rows = table[table.layer.isin(["conv1", "conv3"]) & table.ranks.notna()]
    assert rows.layer.value_counts().min() > 3
    for row in rows.itertuples():
        pair = by_full_frames(made, row.layer, row.unit, row.rank, row.image_index)
        assert row.ranks == pytest.approx(of_ranks(*pair), abs=1e-4)
        assert row.structural == pytest.approx(structural(*pair), abs=1e-3, nan_ok=True)


def by_full_frames(made, layer, unit, rank, image_index):
    """Project a top entry in the trained network and in the control, each from the whole image; cut its field out."""
    entries = read_topk(made / "topk.h5").layers[layer]
    assert entries.image_index[unit, rank] == image_index
    with open_packed(made / "val.h5") as packed:
        image = np.ascontiguousarray(centre_crop(packed.read_rows([int(image_index)]), SIZE))
    place = [torch.tensor([int(value)]) for value in (unit, entries.row[unit, rank], entries.col[unit, rank])]
    box = entries.boxes((SIZE, SIZE))[unit, rank]
    pair = []
    for seed in (0, 1):
        network = model(seed=seed)
        frame = network.normalise(torch.from_numpy(image).permute(0, 3, 1, 2))
        maps, project = deconvnet.forward(trace(network.network, (SIZE, SIZE)), frame, f"{layer}.relu")
        full = project(deconvnet.seed(maps, *place))[0].permute(1, 2, 0).numpy()
        pair.append(full[max(0, box[0]) : box[2], max(0, box[1]) : box[3]])
    return pair


def test_files_that_do_not_belong_together_are_refused(made, tmp_path, capsys):
    model_file(tmp_path / "wide.pt", spec=SPEC | {"width": 0.12})
    packed_file(tmp_path / "other.h5", manifest="o" * 64)
    for options, sentence in (
        (["--control", tmp_path / "wide.pt"], "is another network than"),
        (["--model", made / "1.pt"], "made from other weights"),
        (["--images", tmp_path / "other.h5"], "mined over other images"),
        (["--units", 0], "similarity.units is 0"),
    ):
        assert similarity(made, tmp_path, "0.pt", *options) == 1
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "s.csv").exists()

"""The trained network beside its control, from files to a table and a figure."""

import numpy as np
import pandas as pd
import pytest
from small import SPEC, model_file, packed_file

from zfpipe.__main__ import main
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.nets.similarity import inside, of_ranks

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


def test_another_networks_are_those_of_its_own_reconstructions(made, tmp_path):
    written = []
    for _ in range(2):
        assert similarity(made, tmp_path, "1.pt", "--units", "5") == 0
        written.append([(tmp_path / name).read_bytes() for name in ("s.csv", "s.png")])
    assert written[0] == written[1]
    table = pd.read_csv(tmp_path / "s.csv")
    assert table.ranks.abs().max() < 0.999
    # The trained side is what the stage reconstruct wrote: beside itself, turned round, it gives the opposite.
    out = tmp_path / "conv3.h5"
    words = ["--model", made / "0.pt", "--images", made / "val.h5", "--topk", made / "topk.h5", "--layer", "conv3"]
    assert main(["reconstruct", *map(str, words), "--out", str(out)]) == 0
    with open_reconstruction(out) as found:
        row = table[table.layer == "conv3"].iloc[0]
        own = inside(
            found.projection(int(row.unit))[row["rank"]], found.box[int(row.unit), row["rank"]], found.input_size
        )
        assert found.image_index[int(row.unit), row["rank"]] == row.image_index
        assert of_ranks(own, -own) == pytest.approx(-1)


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

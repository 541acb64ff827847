"""The table of runs: parameters counted by hand, errors from metrics, the paper's numbers where they belong."""

import pandas as pd
import pytest
import torch
from small import SPEC, model_file

from zfpipe.__main__ import main
from zfpipe.nets.ablation import PAPER, Changes
from zfpipe.nets.models import build

METRICS = "epoch,train_top1,val_top1,val_top5\n1,0.1,0.2,0.5\n2,0.25,0.5,0.875\n"


@pytest.fixture
def made(tmp_path):
    model_file(tmp_path / "whole.pt")
    model_file(tmp_path / "cut.pt", spec=SPEC | {"drop": [4, 3, 7], "fc": 100})
    (tmp_path / "metrics.csv").write_text(METRICS)
    (tmp_path / "none.csv").write_text("epoch,train_top1,val_top1,val_top5\n")
    return tmp_path


def ablate(made, *options, metrics=("metrics.csv", "none.csv")):
    words = ["ablate", "--model", made / "whole.pt", made / "cut.pt", "--metrics", *(made / name for name in metrics)]
    words += ["--name", "whole", "cut", "--out-csv", made / "a.csv", "--out-png", made / "a.png", *options]
    return main([str(word) for word in words])


def test_the_table_has_a_row_a_run(made):
    written = []
    for _ in range(2):
        assert ablate(made) == 0
        written.append([(made / name).read_bytes() for name in ("a.csv", "a.png")])
    assert written[0] == written[1]
    table = pd.read_csv(made / "a.csv").set_index("run")
    assert table.loc["whole", ["train_top1_error", "val_top1_error", "val_top5_error"]].tolist() == [75, 50, 12.5]
    assert table.loc["cut", ["train_top1_error", "val_top1_error"]].isna().all()
    assert table.epochs.tolist() == [2, 0]
    assert table.changes["cut"] == "without layers 3, 4, 7; layers 6, 7: 100 units; width 0.06; input 60 px"
    # 96, 256, 384, 384, 256 and 4096, times 0.06; 1 x 1 positions are left of 60 px
    c1, c2, c5, fc = 6, 15, 15, 6
    by_hand = (3 * 49 + 1) * c1 + (c1 * 25 + 1) * c2 + (c2 * 9 + 1) * c5 + (c5 + 1) * fc + (fc + 1) * 3
    assert table.parameters["cut"] == by_hand


@pytest.mark.parametrize("key", PAPER)
def test_the_papers_architectures_are_known_and_can_be_built(key):
    name, drop, fc, maps = key
    spec = {"name": name, "drop": list(drop)[::-1], "fc": fc, "maps": list(maps)}
    assert Changes.of(spec).papers() == PAPER[key]
    assert Changes.of(spec | {"width": 0.5}).papers() is None
    with torch.device("meta"):
        network = build(spec, 1000)
    kept = {layer for layer in (3, 4, 6, 7) if any(f"{layer}." in name for name in network.state_dict())}
    assert kept == {3, 4, 6, 7} - {*drop}
    assert network.fc8.in_features == (maps[-1] * 36 if {6, 7} <= {*drop} else fc)


def test_on_imagenet_the_papers_numbers_stand_beside(made):
    model_file(made / "whole.pt", spec={"name": "zfnet", "input_size": 60, "width": 1.0, "norm": "none", "fc": 2048})
    assert ablate(made, "--imagenet", "whole", "cut") == 0
    table = pd.read_csv(made / "a.csv").set_index("run")
    assert table.loc["whole", [f"paper_{name}_error" for name in ("train_top1", "val_top1", "val_top5")]].tolist() == [
        38.2,
        40.2,
        17.6,
    ]
    assert pd.isna(table.loc["cut", "paper_val_top1_error"])  # not at this width


def test_bad_lists_and_files_are_one_sentence(made, capsys):
    assert ablate(made, "--name", "whole") == 1
    assert "There are 2 models, 2 metrics and 1 names" in capsys.readouterr().err
    assert ablate(made, metrics=("nowhere.csv", "none.csv")) == 1
    assert "nowhere.csv is not there" in capsys.readouterr().err
    (made / "other.csv").write_text("networks,views\nwhole,1\n")
    assert ablate(made, metrics=("other.csv", "none.csv")) == 1
    assert "other.csv is no table of metrics" in capsys.readouterr().err
    assert ablate(made, "--imagenet", "whol") == 1
    assert "--imagenet is 'whol' (did you mean 'whole'?)" in capsys.readouterr().err
    assert not (made / "a.csv").exists()


def test_norm_and_input_are_said_where_they_are_not_the_networks_own():
    assert Changes.of({"name": "zfnet", "norm": "none", "input_size": 224}).said() == "norm none"
    assert Changes.of({"name": "alexnet", "norm": "none", "input_size": [48, 64]}).said() == "input 48x64 px"
    assert Changes.of({"name": "torchvision:vgg11", "input_size": 64}).said() == "as it is"

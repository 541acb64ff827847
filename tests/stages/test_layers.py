"""The listing of a model's layers."""

import pytest
from small import model_file

from zfpipe.__main__ import main

OWN_NETWORK = """
from torch import nn
from torch.nn import functional as F


class Small(nn.Module):
    def __init__(self, channels=5):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3)

    def forward(self, x):
        return F.relu(self.conv(x)).mean((2, 3))
"""


def test_the_papers_network_is_listed_with_its_geometry(capsys):
    assert main(["layers", "zfnet", "--width", "0.1"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:4] == ["layer", "operation", "channels", "map"]
    assert lines[5] == ["conv5", "ReLU", "26", "13x13", "139x139", "16x16", "160x160", "27.9", "yes"]


def test_a_model_file_knows_its_own_size(capsys, tmp_path):
    assert main(["layers", str(model_file(tmp_path / "model.pt"))]) == 0
    assert "conv3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["zfnett"], "model.name is 'zfnett' (did you mean 'zfnet'?)"),
        (["torchvision:resnet19"], "did you mean 'resnet1"),
        (["zfnet", "--input-size", "16"], "model.input_size is 16"),
        (["{broken"], "is no JSON"),
        (["nowhere.pt"], "no model file nowhere.pt"),
        (["torchvision:vit_b_16"], "LayerNorm at encoder.layers.encoder_layer_0.ln_1 has no rule. A deconvnet"),
        (["resnet18"], "did you mean 'torchvision:resnet18'?"),
        (["zfnet", "--channels", "0"], "zfnet and alexnet take 1 channel or more"),
    ],
)
def test_what_is_no_model_is_answered_in_one_sentence(capsys, words, sentence):
    assert main(["layers", *words]) == 1
    assert sentence in capsys.readouterr().err


def test_obstacles_stand_below_the_table_and_the_table_fits_a_page(capsys):
    assert main(["layers", "torchvision:regnet_y_400mf"]) == 0
    out = capsys.readouterr().out
    rows, notes = out.split("[1] ", 1)
    assert notes.startswith("Sigmoid at trunk_output.block1.block1-0.f.se.scale_activation has no rule.\n")
    assert "it knows" in notes
    assert [row.split("  ")[-1].strip() for row in rows.splitlines()[1:6]] == ["yes"] * 4 + ["no [1]"]
    assert max(map(len, out.splitlines())) <= 120


def test_oblong_inputs_of_any_channels_and_a_network_of_ones_own(capsys, tmp_path, monkeypatch):
    (tmp_path / "ownnets.py").write_text(OWN_NETWORK)
    monkeypatch.chdir(tmp_path)
    assert main(["layers", "ownnets:Small", "--input-size", "40x60", "--channels", "5"]) == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split() == ["relu", "relu", "4", "38x58", "3x3", "1x1", "3x3", "0.00298", "yes"]
    asked = '{"name": "ownnets:Small", "args": {"channels": 1}, "channels": 1, "input_size": [20, 30]}'
    assert main(["layers", asked]) == 0
    assert "18x28" in capsys.readouterr().out
    assert main(["layers", "ownnets:Small"]) == 1
    assert "to have 5 channels" in capsys.readouterr().err

"""The listing of a model's layers."""

import pytest
from small import model_file

from zfpipe.__main__ import main


def test_the_papers_network_is_listed_with_its_geometry(capsys):
    assert main(["layers", "zfnet", "--width", "0.1"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:4] == ["layer", "operation", "channels", "map"]
    assert lines[5] == ["conv5", "ReLU", "26", "13x13", "139x139", "16x16", "160x160", "27.9", "supported"]


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
        (["torchvision:vit_b_16"], "has no layer"),
    ],
)
def test_what_is_no_model_is_answered_in_one_sentence(capsys, words, sentence):
    assert main(["layers", *words]) == 1
    assert sentence in capsys.readouterr().err

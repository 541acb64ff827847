"""docs/own-network.md says what works: its network and its config are taken from the page and looked at."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from zfpipe.experiment import load, packed_size
from zfpipe.nets.models import build
from zfpipe.nets.yours import outputs_of

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/own-network.md").read_text("utf-8")
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Write the page's files into the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mynets", raising=False)
    for name, text in re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL):
        Path(name).write_text(text)
    return tmp_path


def test_the_config_is_whole_and_its_layers_are_the_networks(here):
    found = load(yaml.safe_load(Path("mine.yaml").read_text()), SCHEMA)
    run = found["runs"]["mine"]
    assert run["layers"] == ["1", "5"]
    network = build(run["model"], classes=10)
    assert outputs_of(network, 3, (64, 64)) == 10


@pytest.mark.parametrize(
    ("model", "more", "packed"),
    [
        ("{name: 'torchvision:squeezenet1_1', weights: IMAGENET1K_V1}", "", (256, 256)),
        ("{name: 'torchvision:resnet18', weights: a.pt}", "preprocess: {resize: 100, crop: [64, 96]}", (100, 150)),
        ("{name: 'torchvision:resnet18', weights: a.pt, input_size: [192, 256]}", "", (220, 293)),
        ("{name: 'torchvision:resnet18', weights: a.pt, input_size: 70}", "pack: {size: [80, 90]}", (80, 90)),
    ],
)
def test_sizes_come_from_the_weights_unless_the_run_says_otherwise(here, model, more, packed):
    Path("a.pt").touch()
    text = f"""
datasets: {{a: {{source: photographs}}}}
runs:
  one:
    dataset: a
    model: {model}
    layers: all
    train: {{epochs: 0}}
    {more}
"""
    run = load(yaml.safe_load(text), SCHEMA)["runs"]["one"]
    assert packed_size(run) == packed
    if "IMAGENET" in model:
        assert run["preprocess"]["mean"] == [0.485, 0.456, 0.406]
        assert (run["train"]["mean"], run["train"]["std"]) == (None, None)
        assert run["model"]["input_size"] == 224


def test_weights_of_no_such_name_are_named_with_those_there_are(here):
    text = "runs: {one: {dataset: a, model: {name: 'torchvision:resnet18', weights: IMAGENET1K_V3}, layers: all}}"
    config = yaml.safe_load("datasets: {a: {source: photographs}}\n" + text)
    with pytest.raises(Exception, match=r"config: runs\.one: model\.weights is 'IMAGENET1K_V3'.*it has: IMAGENET1K_V1"):
        load(config, SCHEMA)

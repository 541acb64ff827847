"""Each preset, laid over config.yaml as snakemake does it, is a whole config of one run and says what it costs."""

from pathlib import Path

import pytest
import yaml

from zfpipe import experiment

ROOT = Path(__file__).parents[1]
PRESETS = ["flowers", "imagenette", "imagenet", "cifar10", "pretrained"]


def over(below, above):
    """Merge as snakemake does: mappings key by key, lists replaced."""
    both = isinstance(below, dict) and isinstance(above, dict)
    return {**below, **{key: over(below.get(key), above[key]) for key in above}} if both else above


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flower_photos").mkdir()

    def load(name):
        preset = yaml.safe_load((ROOT / f"presets/{name}.yaml").read_text())
        if name == "imagenet":
            preset["datasets"]["imagenet"]["root"] = str(tmp_path)
        merged = over(yaml.safe_load((ROOT / "config.yaml").read_text()), preset)
        return experiment.load(merged, ROOT / "workflow/schemas/config.schema.yaml")

    return load


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_one_run_whether_laid_over_the_default_or_alone(loaded, name):
    config = loaded(name)
    assert len(config["runs"]) == 1
    assert len(config["datasets"]) == 1
    run = next(iter(config["runs"].values()))
    assert run["layers"]
    if name != "pretrained":
        assert run["audit"]["enabled"] == (name != "imagenet")


def test_the_imagenet_preset_is_the_papers_recipe_also_over_the_demos(loaded):
    train = loaded("imagenet")["runs"]["imagenet"]["train"]
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    papers = {key: part["default"] for key, part in schema["$defs"]["train"]["properties"].items() if "default" in part}
    differs = {key for key, value in papers.items() if train[key] != value}
    assert differs == set()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_it_needs_and_costs(name):
    text = (ROOT / f"presets/{name}.yaml").read_text()
    head = text[: text.index("only:")]
    for word in ("# Needs:", "# Costs:", "disk", "memory", "time", "estimates", f"presets/{name}.yaml"):
        assert word in head

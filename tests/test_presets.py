"""Each preset is a whole config of one run and says what it needs and costs."""

from pathlib import Path

import pytest
import yaml

from zfpipe import experiment

ROOT = Path(__file__).parents[1]
PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("flower_photos", "images"):
        (tmp_path / folder).mkdir()

    def load(name):
        preset = yaml.safe_load((ROOT / f"presets/{name}.yaml").read_text())
        if name in ("imagenet", "paper"):
            preset["datasets"]["imagenet"]["root"] = str(tmp_path)
        return experiment.load(preset, ROOT / "workflow/schemas/config.schema.yaml")

    return load


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_one_run(loaded, name):
    config = loaded(name)
    assert len(config["runs"]) == 1
    assert len(config["datasets"]) == 1
    run = next(iter(config["runs"].values()))
    assert run["layers"]
    assert not {*config["runs"], *config["datasets"]} & {"zfnet", "photographs"}, (
        "it would write over the demo's results"
    )
    assert run["audit"]["enabled"] == (name in ("flowers", "imagenette", "cifar10"))


@pytest.mark.parametrize("name", ["imagenet", "paper"])
def test_the_papers_recipe_is_the_papers(loaded, name):
    train = loaded(name)["runs"][name]["train"]
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    papers = {key: part["default"] for key, part in schema["$defs"]["train"]["properties"].items() if "default" in part}
    differs = {key for key, value in papers.items() if train[key] != value}
    assert differs == set()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_it_needs_and_costs(name):
    text = (ROOT / f"presets/{name}.yaml").read_text()
    head = text[: text.index("datasets:")]
    command = f"--configfile presets/{name}.yaml"
    for word in ("# Needs:", "Costs", "disk", "memory", "time", "estimates", command):
        assert word in head

"""The config's section `probe`: which data sets it brings in, and its mistakes."""

from pathlib import Path

import pytest
import yaml

from zfpipe.errors import UserError
from zfpipe.experiment import load

SCHEMA = Path(__file__).parents[1] / "workflow/schemas/config.schema.yaml"
WHOLE = """
datasets:
  photos: {source: photographs}
  tiles: {source: photographs, across: 12}
  grey: {source: photographs, channels: 1}
runs: {first: {dataset: photos, model: {name: zfnet}, layers: [conv1]}}
"""


def loaded(**probe):
    config = yaml.safe_load(WHOLE)
    config["probe"] = probe
    return load(config, SCHEMA)


def test_a_data_set_that_only_a_probe_uses_is_made():
    assert set(loaded()["datasets"]) == {"photos"}
    assert set(loaded(dataset="tiles")["datasets"]) == {"photos", "tiles"}
    assert loaded(dataset="photos")["runs"]["first"]["probe"]["images_per_class"] == [15, 30]


@pytest.mark.parametrize(
    ("probe", "sentence"),
    [
        ({"dataset": "tile"}, "probe.dataset names 'tile' (did you mean 'tiles'?)"),
        ({"dataset": "grey"}, "whose images have 1 channels, and the run's 3; set datasets.grey.channels to 3"),
        ({"dataset": "photos", "draw": "all"}, "tests with images that the network was trained on"),
        ({"dataset": "tiles", "layers": ["conv9"]}, "probe.layers names 'conv9'"),
        ({"dataset": "tiles", "images_per_class": [0]}, "probe.images_per_class"),
        ({"datset": "tiles"}, "did you mean 'dataset'?"),
    ],
)
def test_mistakes_end_in_one_sentence(probe, sentence):
    with pytest.raises(UserError) as error:
        loaded(**probe)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)

"""The config: what is filled in, what overrides what, and that every mistake ends in one helpful sentence."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zfpipe.data.findings import KINDS
from zfpipe.data.photographs import PHOTOGRAPHS
from zfpipe.errors import UserError
from zfpipe.experiment import load, packed_size

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
RAW = yaml.safe_load(SCHEMA.read_text())
WHOLE = """
datasets: {photos: {source: photographs}}
runs: {first: {dataset: photos, model: {name: zfnet}, layers: [conv2, conv1]}}
"""


def loaded(more: str = "", whole: str = WHOLE) -> dict:
    """Load WHOLE with `more` merged over it."""
    return load(_over(yaml.safe_load(whole), yaml.safe_load(more) or {}), SCHEMA)


def _over(below, above):
    both = isinstance(below, dict) and isinstance(above, dict)
    return below | {key: _over(below.get(key), value) for key, value in above.items()} if both else above


def refused(more: str, *words: str) -> str:
    with pytest.raises(UserError) as error:
        loaded(more)
    message = str(error.value)
    for word in words:
        assert word in message
    assert message.startswith("config: ")
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_datasets_and_runs_alone_are_a_whole_config():
    experiment = loaded()
    run = experiment["runs"]["first"]
    assert run["mine"] == {"k": 9, "shards": 1, "batch_size": None, "precision": "float32", "threads": 4}
    assert run["train"]["epochs"] == 70
    assert run["model"]["input_size"] == 224
    assert packed_size(run) == (256, 256)
    check = experiment["datasets"]["photos"]["check"]
    assert (check["severity"], check["leave_out"], check["threads"]) == ({}, [], 8)
    assert check["thresholds"]["blurred"] == 10
    assert experiment["device"] == "auto"


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *sorted(ROOT.glob("presets/*.yaml"))], ids=lambda p: p.name)
def test_the_configs_that_ship_are_valid(path, tmp_path):
    config = yaml.safe_load(path.read_text())
    for dataset in config["datasets"].values():
        if "root" in dataset:
            dataset["root"] = str(tmp_path)  # the one thing that a reader has to put in
    assert load(config, SCHEMA)["runs"]


def test_layers_come_in_the_order_of_the_network_and_all_is_spelled_out():
    assert loaded()["runs"]["first"]["layers"] == ["conv1", "conv2"]
    every = loaded("runs: {first: {layers: all}}")["runs"]["first"]["layers"]
    assert every == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]


def test_a_run_overrides_the_top_level_and_that_the_schema():
    run = loaded("{mine: {k: 5, shards: 3}, runs: {first: {mine: {k: 2}}}}")["runs"]["first"]
    assert run["mine"] == {"k": 2, "shards": 3, "batch_size": None, "precision": "float32", "threads": 4}


def test_merging_is_deep_and_lists_are_replaced():
    run = loaded(
        """
        figure: {units: {conv1: [1, 2], conv2: [3]}}
        train: {scale_range: [0.5, 1.5]}
        runs: {first: {figure: {units: {conv1: [7]}}, train: {scale_range: [1, 2]}}}
        """
    )["runs"]["first"]
    assert run["figure"]["units"] == {"conv1": [7], "conv2": [3]}
    assert run["train"]["scale_range"] == [1, 2]


def test_a_dataset_overrides_check():
    more = "{check: {leave_out: [truncated], threads: 2}, datasets: {photos: {check: {leave_out: [too-small]}}}}"
    check = loaded(more)["datasets"]["photos"]["check"]
    assert (check["severity"], check["leave_out"], check["threads"]) == ({}, ["too-small"], 2)


def test_loading_leaves_the_callers_config_alone_and_runs_share_nothing():
    config = yaml.safe_load(WHOLE)
    config["runs"]["second"] = copy.deepcopy(config["runs"]["first"])
    before = copy.deepcopy(config)
    runs = load(config, SCHEMA)["runs"]
    assert config == before
    runs["first"]["figure"]["count"]["conv1"] = 3
    assert "conv1" not in runs["second"]["figure"]["count"]


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 1e-3), ("'1e-3'", 1e-3), ("5e-4", 5e-4), ("1E2", 100), ("' 3 '", 3), ("0.5", 0.5)]
)
def test_numbers_that_yaml_reads_as_text_are_numbers(text, number):
    assert loaded(f"train: {{learning_rate: {text}}}")["runs"]["first"]["train"]["learning_rate"] == number


def test_whole_numbers_stay_whole_so_that_no_stage_sees_a_point():
    train = loaded("train: {epochs: 2.0, batch_size: 1e2, scale_range: [5e-1, 2], mean: [1e2, 1e2, 1e2]}")
    train = train["runs"]["first"]["train"]
    assert (train["epochs"], train["batch_size"]) == (2, 100)
    assert isinstance(train["epochs"], int)
    assert isinstance(train["batch_size"], int)
    assert train["scale_range"] == [0.5, 2]
    assert train["mean"] == [100, 100, 100]


@pytest.mark.parametrize(
    ("more", "key", "near"),
    [
        ("trian: {}", "trian", "train"),
        ("train: {epoch: 3}", "train.epoch", "epochs"),
        ("datasets: {photos: {sourc: folder}}", "datasets.photos.sourc", "source"),
        ("datasets: {photos: {check: {leaveout: []}}}", "datasets.photos.check.leaveout", "leave_out"),
        ("runs: {first: {layer: all}}", "runs.first.layer", "layers"),
        ("runs: {first: {model: {weight: x}}}", "runs.first.model.weight", "weights"),
        ("runs: {first: {mine: {kk: 3}}}", "runs.first.mine.kk", "'k'"),
        ("figure: {quantil: 1}", "figure.quantil", "quantile"),
        ("view: {image: {}}", "view.image", "images"),
        ("reconstruct: {unit: {}}", "reconstruct.unit", "units"),
        ("pack: {sice: 4}", "pack.sice", "size"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(more, key, near):
    refused(more, f"{key} is no key", "did you mean", near, "legal here: ")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("mine: {k: nine}", ("mine.k is 'nine'", "a whole number")),
        ("mine: {k: 1.5}", ("mine.k is 1.5", "a whole number")),
        ("mine: {k: true}", ("mine.k is True", "a whole number")),
        ("train: {learning_rate: fast}", ("train.learning_rate is 'fast'", "a number")),
        ("train: {learning_rate: 1e-3x}", ("'1e-3x'", "a number")),
        ("train: {learning_rate: .inf}", ("train.learning_rate is inf", "finite")),
        ("train: {learning_rate: .nan}", ("train.learning_rate is nan", "finite")),
        ("train: 3", ("train is 3", "a mapping")),
        ("train:", ("train is empty", "a mapping")),
        ("datasets: [a]", ("datasets is ['a']", "a mapping")),
        ("runs: zfnet", ("runs is 'zfnet'", "a mapping")),
        ("runs: {first: }", ("runs.first is empty", "a mapping")),
        ("datasets: {photos: {root: 5}}", ("datasets.photos.root is 5", "text")),
        ("runs: {first: {model: {weights: 5}}}", ("runs.first.model.weights is 5", "text or null")),
        ("runs: {first: {layers: al}}", ("runs.first.layers is 'al'", "did you mean 'all'", "Layers to look at")),
        ("runs: {first: {layers: []}}", ("runs.first.layers is []", "Layers to look at")),
        ("train: {mean: pixl}", ("train.mean is 'pixl'", "did you mean 'pixel'")),
        ("only: 3", ("only is 3", "a list or text or null")),
    ],
)
def test_a_wrong_type_is_named_with_the_right_one(more, words):
    refused(more, *words)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("mine: {k: 0}", ("mine.k is 0", "at least 1")),
        ("runs: {first: {mine: {k: 0}}}", ("runs.first.mine.k is 0", "at least 1")),
        ("train: {momentum: 1}", ("train.momentum is 1", "below 1")),
        ("train: {learning_rate: 0}", ("train.learning_rate is 0", "above 0")),
        ("train: {learning_rate: -1e-3}", ("-0.001", "above 0")),
        ("figure: {quantile: 1.5}", ("figure.quantile is 1.5", "at most 1")),
        ("train: {schedule: cosin}", ("train.schedule is 'cosin'", "did you mean 'cosine'", "plateau, cosine")),
        ("device: gpu", ("device is 'gpu'", "auto, cpu, cuda, mps")),
        ("device: CUDA", ("device is 'CUDA'", "did you mean 'cuda'")),
        ("{device: cpu, mine: {precision: tf32}}", ("runs.first.mine.precision is tf32, which CUDA has", "is cpu")),
        ("train: {scale_range: [1]}", ("train.scale_range is [1]", "Side of a crop")),
        ("datasets: {photos: {source: folders}}", ("did you mean 'folder'",)),
        ("datasets: {photos: {root: ''}}", ("datasets.photos.root is ''",)),
    ],
)
def test_what_is_out_of_range_is_named_with_the_range(more, words):
    refused(more, *words)


@pytest.mark.parametrize("name", ["2024", "on", "yes", "1.5", "null"])
@pytest.mark.parametrize("kind", ["datasets", "runs"])
def test_a_name_that_yaml_reads_as_something_else_is_refused_helpfully(kind, name):
    refused(f"{kind}: {{{name}: {{source: photographs}}}}", kind, "begins with a letter")


@pytest.mark.parametrize("name", ["'2024'", "a b", "a/b", "../up", "-x", "ä"])
def test_a_name_that_makes_no_good_path_is_refused(name):
    refused(f"runs: {{{name}: {{}}}}", "begin with a letter", name.strip("'"))


def test_missing_keys_are_named():
    assert "lacks the key 'datasets'" in _message({})
    assert "runs is empty" in _message({"datasets": {"a": {"source": "photographs"}}, "runs": {}})
    whole = yaml.safe_load(WHOLE)
    del whole["runs"]["first"]["model"]
    assert "runs.first lacks the key 'model'" in _message(whole)


@pytest.mark.parametrize("config", [None, [], [1], "text", 3, True])
def test_a_config_that_is_no_mapping_is_refused(config):
    assert "the top level is" in _message(config)


def _message(config) -> str:
    with pytest.raises(UserError) as error:
        load(config, SCHEMA)
    return str(error.value)


def test_unknown_names_come_with_the_nearest():
    refused("runs: {first: {dataset: photo}}", "runs.first.dataset names 'photo'", "did you mean 'photos'")
    refused("only: [frist]", "only names 'frist'", "did you mean 'first'")
    refused("runs: {first: {layers: [conv9]}}", "runs.first.layers names 'conv9'", "conv1, conv2, conv3, conv4, conv5")
    refused("view: {layers: [con1]}", "view.layers names 'con1'", "did you mean 'conv1'")
    refused("runs: {first: {model: {name: zfnt}}}", "model.name is 'zfnt'", "did you mean 'zfnet'", "torchvision:NAME")


@pytest.mark.parametrize("key", ["figure: {units: {conv3: [1]}}", "figure: {count: {conv3: 4}}"])
def test_units_of_a_layer_that_the_run_does_not_have(key):
    refused(key, "names 'conv3'", "did you mean", "it can be: conv1, conv2")
    refused(f"runs: {{first: {{{key}}}}}", "runs.first.figure.", "names 'conv3'")


def test_units_to_reconstruct_of_a_layer_that_the_run_does_not_have():
    refused("reconstruct: {units: {conv9: [1]}}", "reconstruct.units names 'conv9'", "did you mean")


def test_top_level_units_need_to_fit_one_run_only():
    other = "runs: {second: {dataset: photos, model: {name: zfnet}, layers: [conv5]}}"
    more = f"{{figure: {{units: {{conv5: [1]}}, count: {{default: 2, conv1: 3}}}}, {other}}}"
    assert set(loaded(more)["runs"]) == {"first", "second"}
    assert set(loaded(f"{{only: [first], {more[1:]}")["runs"]) == {"first"}


def test_only_takes_a_list_or_one_name_and_its_data_sets_alone():
    more = """
    datasets: {gone: {source: folder, root: /no/such/folder}}
    runs: {second: {dataset: gone, model: {name: alexnet}, layers: all}}
    only: %s
    """
    for only in ("first", "[first]", "[first, first]"):
        experiment = loaded(more % only)
        assert list(experiment["runs"]) == ["first"]
        assert list(experiment["datasets"]) == ["photos"]
    with pytest.raises(UserError, match=r"datasets\.gone\.root is '/no/such/folder', and there is no such folder"):
        loaded(more % "second")


def test_folders_and_files_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("datasets: {photos: {source: folder}}", "datasets.photos", "`root`")
    refused(
        "datasets: {photos: {source: folder, root: here}}", "photos.root is 'here'", "no such folder", str(tmp_path)
    )
    refused("runs: {first: {model: {weights: w.pt}}}", "runs.first.model.weights is 'w.pt'", "no such file")
    refused("view: {images: {cat: cat.png}}", "view.images.cat is 'cat.png'", "no such file")
    refused("datasets: {photos: {source: folder, root: %s}}" % ("x" * 5000), "no such folder")


def test_home_is_spelled_out(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "images").mkdir()
    (tmp_path / "w.pt").touch()
    (tmp_path / "cat.png").touch()
    experiment = loaded(
        """
        datasets: {photos: {source: folder, root: ~/images}}
        runs: {first: {model: {weights: ~/w.pt}, view: {images: {cat: ~/cat.png}}}}
        """
    )
    assert experiment["datasets"]["photos"]["root"] == f"{tmp_path}/images"
    assert experiment["runs"]["first"]["model"]["weights"] == f"{tmp_path}/w.pt"
    assert experiment["runs"]["first"]["view"]["images"]["cat"] == f"{tmp_path}/cat.png"


def test_photographs_that_ship_are_known_by_name():
    for name in PHOTOGRAPHS:
        loaded(f"view: {{images: {{it: 'photographs:{name}'}}}}")
    refused("view: {images: {it: 'photographs:chelse'}}", "view.images.it", "did you mean 'photographs:chelsea'")


def test_findings_are_known_by_name():
    for name in KINDS:
        loaded(f"check: {{severity: {{{name}: warning}}, leave_out: [{name}]}}")
    refused("check: {leave_out: [truncate]}", "check.leave_out names 'truncate'", "did you mean 'truncated'")
    refused("check: {severity: {tosmall: ignore}}", "check.severity names 'tosmall'", "did you mean 'too-small'")
    refused("check: {severity: {too-small: warn}}", "check.severity.too-small is 'warn'", "did you mean 'warning'")


def test_no_epochs_need_weights():
    refused("train: {epochs: 0}", "runs.first has train.epochs 0", "model.weights", "random")
    assert loaded("{train: {epochs: 0}, runs: {first: {model: {weights: random}}}}")


def test_only_a_run_that_trains_can_be_followed_through_its_epochs():
    off = "runs: {first: {model: {weights: random}, train: {epochs: 0}, evolve: {enabled: %s}}}"
    refused(off % "true", "first has evolve.enabled and train.epochs 0", "have no epochs")
    assert loaded(off % "false")["runs"]["first"]["evolve"]["enabled"] is False
    refused("evolve: {enabled: true, epochs: [71]}", "evolve.epochs names 71, and train.epochs is 70")
    assert loaded("evolve: {enabled: true}")["runs"]["first"]["evolve"]["layers"] == ["conv1", "conv2"]


def test_the_crop_has_to_fit_into_the_packed_image():
    refused("pack: {size: 223}", "runs.first has pack.size 223", "model.input_size 224")
    assert packed_size(loaded("pack: {size: 224}")["runs"]["first"]) == (224, 224)


def test_a_borrowed_network_is_traced_for_its_layers():
    more = "runs: {first: {layers: [%s], model: {name: 'torchvision:alexnet', %s}}}"
    run = loaded(more % ("features.4, features.1", ""))["runs"]["first"]
    assert run["layers"] == ["features.1", "features.4"]
    refused(more % ("features.2", ""), "runs.first.layers names 'features.2'", "features.1, features.4")
    refused(more % ("features.1", "input_size: 16"), "runs.first", "16x16")
    refused(more % ("features.1", "width: 2"), "runs.first", "width")
    refused("runs: {first: {model: {name: 'torchvision:alexne'}}}", "runs.first", "did you mean 'alexnet'")


def test_a_long_value_is_cut_short_in_the_message():
    assert len(refused(f"mine: {{k: {[1] * 500}}}")) < 200


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 9),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["all", "1e3", "zfnet"]),
)
KEYS = st.one_of(
    st.text(max_size=3),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([*RAW["properties"], *RAW["$defs"]["run"]["properties"], *RAW["$defs"]["dataset"]["properties"]]),
)
ANYTHING = st.recursive(
    PLAIN, lambda below: st.one_of(st.lists(below, max_size=2), st.dictionaries(KEYS, below, max_size=3)), max_leaves=8
)


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(ANYTHING)
def test_anything_at_all_gives_an_experiment_or_one_sentence(config):
    _gives_an_experiment_or_one_sentence(config)


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.data())
def test_anything_at_any_place_of_a_whole_config_does_too(data):
    config = yaml.safe_load(WHOLE)
    config |= {"train": {"epochs": 1}, "figure": {"count": {"default": 1}}, "view": {"images": {}, "layers": ["conv1"]}}
    place = config
    for _ in range(data.draw(st.integers(0, 3))):
        below = [part for part in place.values() if isinstance(part, dict) and part]
        place = data.draw(st.sampled_from(below)) if below else place
    place[data.draw(st.one_of(st.sampled_from(sorted(place)), KEYS))] = data.draw(ANYTHING)
    _gives_an_experiment_or_one_sentence(config)


def _gives_an_experiment_or_one_sentence(config):
    try:
        experiment = load(config, SCHEMA)
    except UserError:
        return
    assert set(experiment) == {"ablate", "compare", "filters", "device", "cluster", "datasets", "runs"}
    json.dumps(experiment)


def _objects(schema, at=""):
    """Yield (path, schema of a key) for every key of the schema."""
    for name, part in schema.get("properties", {}).items():
        yield f"{at}.{name}".strip("."), part
        yield from _objects(part, f"{at}.{name}".strip("."))
    for name, part in schema.get("$defs", {}).items():
        yield from _objects(part, name)


KEYS_OF_THE_SCHEMA = dict(_objects(RAW))


def _resolved(part):
    return RAW["$defs"][part["$ref"].rsplit("/", 1)[1]] | part if "$ref" in part else part


@pytest.mark.parametrize("key", KEYS_OF_THE_SCHEMA)
def test_every_key_is_described_and_its_default_is_valid(key):
    part = _resolved(KEYS_OF_THE_SCHEMA[key])
    assert part["description"].strip().endswith(".")
    if "default" in part:
        schema = {key: value for key, value in part.items() if key != "$ref"} | {"$defs": RAW["$defs"]}
        jsonschema.validate(part["default"], schema)


def test_no_level_of_the_schema_takes_unknown_keys():
    for part in (RAW, *RAW["$defs"].values()):
        if "properties" in part:
            assert part["additionalProperties"] is False


BESIDE = """
runs:
  first: {dataset: a, model: {name: zfnet}, layers: [conv1, conv2], figure: {beside: control}}
  control: {dataset: a, model: {name: zfnet, weights: random}, layers: [conv1], train: {epochs: 0}}
"""


def test_a_run_set_beside_another_needs_its_layers_and_has_to_be_made():
    config = yaml.safe_load("datasets: {a: {source: photographs}}" + BESIDE)
    with pytest.raises(UserError, match="names 'control', which has no layer 'conv2'; both runs need the same layers"):
        load(config, SCHEMA)
    config["runs"]["control"]["layers"] = "all"
    assert load(config, SCHEMA)["runs"]["first"]["figure"]["beside"] == "control"
    with pytest.raises(UserError, match="which `only` leaves out"):
        load(config | {"only": ["first"]}, SCHEMA)
    config["runs"]["first"]["figure"]["beside"] = "controll"
    with pytest.raises(UserError, match=r"did you mean 'control'\?"):
        load(config, SCHEMA)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("{datasets: {photos: {variant: 160px}}}", "photos.variant goes with the source imagenette or places365"),
        ("{datasets: {photos: {file: a.csv}}}", "photos.file goes with the source csv; this one is photographs"),
        ("{figure: {channels: [3]}}", "figure.channels is [3]; the images have 3"),
        ("{train: {mean: [1, 2]}}", "train.mean has 2 numbers, and the images 3 channels"),
        ("{figure: {beside: other}}", "figure.beside names 'other', and there is nothing that it can be"),
        ("{runs: {first: {model: {weights: IMAGENET1K_V1}}}}", "they go with torchvision:NAME, and here it is a file"),
    ],
)
def test_what_cannot_go_together_is_said_before_anything_is_made(more, words):
    refused(more, words)


def test_the_photographs_that_ship_are_not_for_networks_of_five_channels(tmp_path):
    whole = f"""
    datasets: {{five: {{source: folder, root: {tmp_path}, channels: 5}}}}
    runs: {{first: {{dataset: five, model: {{name: zfnet}}, layers: [conv1]}}}}
    train: {{mean: [1, 2, 3, 4, 5]}}
    """
    assert loaded("", whole)["runs"]["first"]["train"]["mean"] == [1, 2, 3, 4, 5]
    with pytest.raises(
        UserError, match=r"view.images.c is 'photographs:chelsea', and the run's images have 5 channels"
    ):
        loaded("{view: {images: {c: 'photographs:chelsea'}}}", whole)


def test_a_table_of_boxes_is_read_with_the_config(tmp_path):
    head = "image,part,top,left,bottom,right\n"
    for text, sentence in (
        ("", "lacks the column 'image'"),
        (head + "cats,eye,1,2,3,4\n", "line 2: no image is called"),
    ):
        (tmp_path / "boxes.csv").write_text(text)
        images = '{cat: "photographs:chelsea", man: "photographs:astronaut"}'
        refused(f"{{correspond: {{images: {images}, boxes: {tmp_path}/boxes.csv}}}}", "correspond.boxes: ", sentence)

"""What `zfpipe train` says of mistakes: one sentence, no traceback, nothing half-written."""

import pytest
import torch
from train_command import MODEL, pack, pack_both, refused, train

from zfpipe.files import checkpoint
from zfpipe.nets.models import build


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with train.h5 and val.h5."""
    return pack_both(tmp_path_factory.mktemp("data"))


def test_weights_of_another_architecture_name_the_first_keys(data, tmp_path, capsys):
    torch.save(build({"name": "alexnet", "width": 0.03, "input_size": 80}, 3).state_dict(), tmp_path / "given.pt")
    spec = MODEL | {"weights": str(tmp_path / "given.pt")}
    for epochs in (0, 1):
        said = refused(capsys, data, tmp_path, "--epochs", epochs, "--mean", 110, model=spec)
        assert "does not fit the model: it lacks conv1.batch_norm.weight" in said
        assert "the model has no conv1.conv.bias" in said
        assert "and 18 more" in said


def test_a_model_of_another_input_size(data, tmp_path, capsys):
    train(data, tmp_path, "--epochs", 1)
    spec = MODEL | {"input_size": 52, "weights": str(tmp_path / "model.pt")}
    said = refused(capsys, data, tmp_path, "--epochs", 0, model=spec)
    assert "trained for an input of 48 px and model.input_size is 52" in said


def test_weights_that_are_not_there(data, tmp_path, capsys):
    spec = MODEL | {"weights": "nowhere.pt"}
    assert "no weights file nowhere.pt" in refused(capsys, data, tmp_path, "--epochs", 0, model=spec)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--epochs", 0], "model.weights is not set"),
        (["--epochs", -1], "train.epochs is -1"),
        (["--learning-rate", 0], "train.learning_rate is 0.0; it must be above 0"),
        (["--batch-size", 0], "train.batch_size is 0"),
        (["--keep-epoch", 9, "--epochs", 2], "epoch 9; this training has epochs 1 to 2"),
        (["--mean", "median"], "train.mean is 'median'"),
        (["--scale-range", 2, 1], "train.scale_range is 2.0 1.0"),
        (["--dropout", 1], "train.dropout is 1.0"),
        (["--precision", "tf32"], "precision is tf32, which CUDA devices have; this runs on cpu"),
        (["--device", "gpu"], "auto, cpu, cuda, mps"),
        (["--initial-scale", 0], "train.initial_scale is 0.0"),
        (["--memory", "nan"], "--memory is nan; it can be 0 or more"),
        (["--lock-timeout", -5], "--lock-timeout is -5.0; it can be 0 or more"),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, list) else "",
)
def test_a_wrong_setting_is_one_sentence(data, tmp_path, capsys, options, words):
    assert words in refused(capsys, data, tmp_path, *options)


def test_a_device_that_is_not_there(data, tmp_path, capsys):
    assert "cuda" in refused(capsys, data, tmp_path, "--device", "cuda")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (MODEL | {"input_size": 56}, "packed training images are 52 px and model.input_size is 56"),
        (MODEL | {"inputsize": 48}, "did you mean 'input_size'"),
        (MODEL | {"name": "zfnt"}, "did you mean 'zfnet'"),
        (["zfnet"], '{"name": "zfnet"}'),
    ],
    ids=["large", "typo", "name", "list"],
)
def test_a_wrong_model_is_one_sentence(data, tmp_path, capsys, model, words):
    assert words in refused(capsys, data, tmp_path, "--epochs", 1, model=model)


def test_training_needs_a_training_set(data, tmp_path, capsys):
    assert "there is no --train split" in refused(capsys, data, tmp_path, "--epochs", 1, train=False)


def test_splits_of_two_data_sets_are_refused(data, tmp_path, capsys):
    pack(tmp_path / "train.h5", "train", 9)
    pack(tmp_path / "val.h5", "val", 9, classes=("r", "g"))
    assert "do not belong together" in refused(capsys, tmp_path, tmp_path, "--epochs", 1)


def test_a_loss_that_diverges_names_epoch_rate_and_last_checkpoint(data, tmp_path, capsys):
    options = ["--learning-rate", 1e30, "--filter-radius", 0]
    said = refused(capsys, data, tmp_path, "--epochs", 3, *options)
    assert "In epoch 1 the loss became" in said
    assert "with learning rate 1e+30; no epoch was finished" in said
    assert "smaller train.learning_rate" in said


def test_divergence_later_on_names_the_last_whole_checkpoint(data, tmp_path, capsys):
    train(data, tmp_path, "--epochs", 1)
    path = next((tmp_path / "state").glob("*/epoch-0001.pt"))
    content = checkpoint.load(path, "checkpoint")
    content["weights"]["fc8.bias"][0] = float("inf")
    checkpoint.save(path, "checkpoint", content)
    said = refused(capsys, data, tmp_path, "--epochs", 2)
    assert "In epoch 2 the loss became" in said
    assert f"the last whole checkpoint is {path}" in said

"""Mining against sorting every activation of a plain forward pass; merging; what is refused."""

import itertools

import numpy as np
import pytest
import torch
from small import PACKED, SIZE, model, model_file, packed_file, pictures

from zfpipe.__main__ import main
from zfpipe.files.topk import read_topk, write_topk
from zfpipe.stages import mine as stage
from zfpipe.stages.mine import shard_range

LAYERS = ["conv1", "conv2", "conv3", "fc6"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    packed_file(folder / "val.h5")
    model_file(folder / "model.pt", dead=(1, 4))
    return folder


def mine(folder, out, *options):
    out = folder / out
    command = ["mine", "--model", str(folder / "model.pt"), "--images", str(folder / "val.h5"), "--out", str(out)]
    assert main([*command, "--layers", *LAYERS, "--threads", "1", *map(str, options)]) == 0
    return out


def merge(out, *shards):
    assert main(["merge", "--shards", *map(str, shards), "--out", str(out)]) == 0
    return out


def plain_maps(name):
    """The maps of a layer for every image, from a plain forward pass one image at a time."""
    small = model(dead=(1, 4))
    edge = (PACKED - SIZE) // 2
    kept = []
    getattr(small.network, name).relu.register_forward_hook(lambda module, inputs, output: kept.append(output))
    for picture in pictures(11):
        crop = torch.from_numpy(picture[edge : edge + SIZE, edge : edge + SIZE].copy()).permute(2, 0, 1)[None]
        small.network((crop.float() - 120) / 60)
    maps = torch.cat(kept)
    return maps if maps.dim() == 4 else maps[..., None, None]


@pytest.mark.parametrize("name", LAYERS)
def test_the_nine_strongest_are_those_of_a_full_sort(made, name):
    found = read_topk(mine(made, "full.h5", "--batch-size", 4)).layers[name]
    maps = plain_maps(name)
    width = maps.shape[3]
    for unit in range(maps.shape[1]):
        peaks = maps[:, unit].flatten(1).max(1)
        order = sorted(range(11), key=lambda image: (-float(peaks.values[image]), image))
        best = [image for image in order if peaks.values[image] > 0][:9]
        there = found.present[unit]
        assert there.sum() == len(best)
        np.testing.assert_allclose(found.activation[unit, there], peaks.values[best], rtol=1e-5, atol=1e-6)
        for image, row, col in zip(found.image_index[unit], found.row[unit], found.col[unit], strict=True):
            if image >= 0:
                assert float(maps[image, unit, row, col]) == pytest.approx(
                    float(peaks.values[image]), rel=1e-5, abs=1e-6
                )
                assert row * width + col < maps[0, 0].numel()


def test_equal_images_tie_and_the_lower_index_comes_first(made):
    found = read_topk(mine(made, "ties.h5")).layers["conv1"]
    for images in found.image_index.tolist():
        if 0 in images and 5 in images:
            assert images.index(0) + 1 == images.index(5)


def test_dead_units_are_missing(made):
    found = read_topk(mine(made, "dead.h5")).layers["conv2"]
    assert set(np.flatnonzero(found.dead)) >= {1, 4}
    assert (found.image_index[[1, 4]] == -1).all()


@pytest.mark.parametrize("of", [1, 2, 3, 11])
def test_shards_in_any_order_give_the_same_bytes_as_one_pass(made, of):
    whole = mine(made, "whole.h5", "--batch-size", 4)
    shards = [mine(made, f"shard-{i}.h5", "--shard", i, "--of", of, "--batch-size", 4) for i in range(1, of + 1)]
    for order in itertools.islice(itertools.permutations(shards), 3):
        assert merge(made / "merged.h5", *order).read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("size", [1, 3, 11, 64])
def test_any_batch_size_gives_the_same_ranking(made, size):
    one, other = (read_topk(mine(made, f"batch-{n}.h5", "--batch-size", n)) for n in (4, size))
    for name in LAYERS:
        np.testing.assert_allclose(other.layers[name].activation, one.layers[name].activation, rtol=1e-5, atol=1e-6)
        assert np.array_equal(other.layers[name].image_index, one.layers[name].image_index)


def test_shards_cover_every_image_once():
    for images, of in [(11, 1), (11, 4), (11, 11), (50_000, 7)]:
        ranges = [shard_range(images, shard, of) for shard in range(1, of + 1)]
        assert [i for first, last in ranges for i in range(first, last)] == list(range(images))


def complain(capsys, *command):
    assert main([str(word) for word in command]) == 1
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    return printed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--k", 0], "mine.k is 0; it must be at least 1"),
        (["--batch-size", 0], "mine.batch_size is 0; it must be at least 1"),
        (["--of", 12], "mine.shards is 12; with 11 images it can be 1 to 11"),
        (["--shard", 3, "--of", 2], "The shard asked for is 3; with 2 shards it can be 1 to 2"),
        (["--layers", "conv9"], "no layer 'conv9' (did you mean 'conv5'?)"),
        (["--device", "tpu"], "device is 'tpu'"),
        (["--threads", 0], "threads is 0"),
    ],
)
def test_bad_options_end_in_one_sentence_and_write_nothing(made, capsys, options, sentence):
    out = made / "never.h5"
    command = ["mine", "--model", made / "model.pt", "--images", made / "val.h5", "--out", out, "--layers", "conv1"]
    assert sentence.split("(did")[0] in complain(capsys, *command, *options)
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_told_before_the_work(made, capsys, monkeypatch):
    monkeypatch.setattr(stage, "load_model", lambda path: pytest.fail("began to work"))
    command = ["mine", "--model", made / "model.pt", "--images", made / "val.h5", "--layers", "conv1"]
    assert "Cannot write" in complain(capsys, *command, "--out", made / "val.h5" / "below.h5")
    assert "Is a directory" in complain(capsys, *command, "--out", made)


def test_no_batch_is_larger_than_the_set(made, tmp_path, monkeypatch):
    asked, mined = [], stage.strongest_of
    monkeypatch.setattr(stage, "strongest_of", lambda *given: asked.append(given[5]) or mined(*given))
    command = ["mine", "--model", made / "model.pt", "--images", made / "val.h5", "--layers", "conv1", "--of", 2]
    assert main([str(word) for word in [*command, "--out", tmp_path / "x.h5", "--batch-size", 100_000]]) == 0
    assert asked == [11]  # of the whole set, so that all shards round alike


def test_images_packed_for_another_size_are_refused(made, capsys, tmp_path):
    model_file(tmp_path / "model.pt", packed_size=80)
    command = ["mine", "--model", tmp_path / "model.pt", "--images", made / "val.h5", "--out", tmp_path / "x.h5"]
    assert "holds images of 64 px, and the model was made for 80 px" in complain(capsys, *command, "--layers", "conv1")


def test_files_cut_in_half_are_named(made, capsys, tmp_path):
    for name in ("model.pt", "val.h5"):
        (tmp_path / name).write_bytes((made / name).read_bytes()[: (made / name).stat().st_size // 2])
        files = {"model.pt": made / "model.pt", "val.h5": made / "val.h5"} | {name: tmp_path / name}
        command = ["mine", "--model", files["model.pt"], "--images", files["val.h5"], "--out", tmp_path / "x.h5"]
        assert str(tmp_path / name) in complain(capsys, *command, "--layers", "conv1")


def test_weights_that_have_diverged_are_refused(made, capsys, tmp_path):
    from zfpipe.nets.models import save_model

    broken = model()
    broken.network.conv1.conv.weight[0] = float("nan")
    save_model(tmp_path / "model.pt", broken, epoch=0)
    command = ["mine", "--model", tmp_path / "model.pt", "--images", made / "val.h5", "--out", tmp_path / "x.h5"]
    assert "not finite" in complain(capsys, *command, "--layers", "conv1")


def test_coarse_passes_find_nearly_the_same_and_say_so(made, capsys):
    fine, coarse = (read_topk(mine(made, f"{name}.h5", "--precision", name)) for name in ("float32", "bf16"))
    assert (fine.precision, coarse.precision) == ("float32", "bf16")
    for name, layer in fine.layers.items():
        other = coarse.layers[name]
        assert not np.array_equal(layer.activation, other.activation), name
        np.testing.assert_allclose(layer.activation, other.activation, rtol=0.05, atol=0.05 * layer.activation.max())
        assert (layer.dead == other.dead).all()
    given = ["--model", made / "model.pt", "--images", made / "val.h5"]
    for layer in LAYERS:
        words = [*given, "--topk", made / "bf16.h5", "--layer", layer, "--out", made / f"bf16-{layer}.h5"]
        assert main(["reconstruct", *map(str, words)]) == 0
    words = [*given, "--layers", "conv1", "--out", made / "tf32.h5", "--device", "cpu"]
    assert "tf32, which CUDA devices have" in complain(capsys, "mine", *words, "--precision", "tf32")


def test_merge_refuses_shards_that_do_not_belong_together(made, capsys, tmp_path):
    a, b = (mine(made, f"part-{i}.h5", "--shard", i, "--of", 2) for i in (1, 2))
    other = mine(made, "other-k.h5", "--shard", 2, "--of", 2, "--k", 3)
    again, out = tmp_path / "again.h5", tmp_path / "topk.h5"
    again.write_bytes(a.read_bytes())
    coarse = mine(made, "coarse.h5", "--shard", 2, "--of", 2, "--precision", "bf16")
    old = tmp_path / "part-old.h5"
    shard = read_topk(b)
    for layer in shard.layers.values():
        layer.histogram = None
    write_topk(old, shard)
    for shards, sentence in [
        ([a], "Images 5 to 10 are missing"),
        ([b], "Images 0 to 4 are missing"),
        ([a, again, b], "Images 0 to 4 are there twice"),
        ([a, other], "k is 9 in one and 3 in the other"),
        ([a, coarse], "precision is float32 in one and bf16 in the other"),
        ([a, old], "part-old.h5 holds no histograms"),
    ]:
        assert sentence in complain(capsys, "merge", "--out", out, "--shards", *shards)
        assert not out.exists()

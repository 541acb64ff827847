"""The stage reconstruct: files that agree with full-frame projections, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from small import PACKED, SIZE, model, model_file, packed_file, pictures

from zfpipe.__main__ import main
from zfpipe.files.hdf5 import reading
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.files.topk import read_topk, write_topk
from zfpipe.nets import deconvnet
from zfpipe.nets.trace import trace
from zfpipe.nets.windows import cut

LAYERS = ["conv1", "conv2", "conv3", "conv5"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reconstruct")
    packed_file(folder / "val.h5")
    model_file(folder / "model.pt", dead=(1, 4))
    command = ["mine", "--model", folder / "model.pt", "--images", folder / "val.h5", "--out", folder / "topk.h5"]
    assert main([str(word) for word in [*command, "--layers", *LAYERS]]) == 0
    return folder


def command(folder, layer, out, **files):
    files = {name: files.get(name, folder / path) for name, path in FILES.items()}
    options = [word for name, path in files.items() for word in (f"--{name}", path)]
    return [str(word) for word in ["reconstruct", *options, "--layer", layer, "--out", out]]


FILES = {"model": "model.pt", "images": "val.h5", "topk": "topk.h5"}


@pytest.mark.parametrize("layer", LAYERS)
def test_every_reconstruction_is_the_cut_of_the_full_frame_projection(made, layer):
    out = made / f"{layer}.h5"
    assert main(command(made, layer, out)) == 0
    small = model(dead=(1, 4))
    traced = trace(small.network, (SIZE, SIZE))
    edge = (PACKED - SIZE) // 2
    crops = np.stack([picture[edge : edge + SIZE, edge : edge + SIZE] for picture in pictures(11)])
    frames = small.normalise(torch.from_numpy(crops).permute(0, 3, 1, 2))
    with open_reconstruction(out) as found:
        assert found.present.any()
        for position, unit in enumerate(found.unit):
            projections, patches = found.projection(position), found.patch(position)
            for rank in np.flatnonzero(found.present[position]):
                image, row, col = (int(c[position, rank]) for c in (found.image_index, found.row, found.col))
                maps, project = deconvnet.forward(traced, frames[image : image + 1], f"{layer}.relu")
                at = (torch.tensor([index]) for index in (unit, row, col))
                full = project(deconvnet.seed(maps, *at))[0].permute(1, 2, 0).numpy()
                wanted = cut(full, 0, 0, found.box[position, rank])
                assert np.abs(projections[rank] - wanted).max() <= 1e-4 * np.abs(full).max()
                assert np.array_equal(patches[rank], cut(crops[image], 0, 0, found.box[position, rank]))
                assert found.label[position, rank] == image % 3
            assert not projections[~found.present[position]].any()


def test_the_same_bytes_again(made, tmp_path):
    for name in ("a.h5", "b.h5"):
        assert main(command(made, "conv2", tmp_path / name)) == 0
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_chosen_units_alone_in_the_order_asked(made, tmp_path):
    assert main([*command(made, "conv2", tmp_path / "all.h5")]) == 0
    assert main([*command(made, "conv2", tmp_path / "some.h5"), "--units", "7", "3", "7"]) == 0
    with open_reconstruction(tmp_path / "all.h5") as every, open_reconstruction(tmp_path / "some.h5") as some:
        assert some.unit.tolist() == [7, 3]
        np.testing.assert_allclose(some.projection(0), every.projection(7), rtol=1e-4, atol=1e-7)


def test_overwrite_differs_from_add(made, tmp_path):
    assert main([*command(made, "conv5", tmp_path / "over.h5"), "--collide", "overwrite"]) == 0
    assert main(command(made, "conv5", tmp_path / "add.h5")) == 0
    with reading(tmp_path / "over.h5", "reconstruction") as over, reading(tmp_path / "add.h5", "reconstruction") as add:
        a, b = over["projection"][...], add["projection"][...]
        assert np.abs(a - b).max() > 0.01 * np.abs(b).max()


def test_the_filters_of_the_first_layer_come_along(made, tmp_path):
    assert main([*command(made, "conv1", tmp_path / "c1.h5"), "--units", "2", "0"]) == 0
    with open_reconstruction(tmp_path / "c1.h5") as found:
        weights = model().network.conv1.conv.weight
        assert np.array_equal(found.filters, weights[[2, 0]].permute(0, 2, 3, 1).numpy())


def refused(capsys, words, out):
    assert main(words) == 1
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert not out.exists()
    assert not list(out.parent.glob(".*"))
    return printed


def test_a_topk_of_other_weights_is_refused(made, capsys, tmp_path):
    other, out = model_file(tmp_path / "other.pt", seed=1), tmp_path / "x.h5"
    assert "was made from other weights" in refused(capsys, command(made, "conv2", out, model=other), out)


def test_a_topk_of_other_images_is_refused(made, capsys, tmp_path):
    other, out = packed_file(tmp_path / "other.h5", manifest="n" * 64), tmp_path / "x.h5"
    assert "was mined over other images" in refused(capsys, command(made, "conv2", out, images=other), out)


def test_an_activation_that_is_not_what_was_mined_stops_the_stage(made, capsys, tmp_path):
    topk = read_topk(made / "topk.h5")
    topk.layers["conv2"].activation[2, 0] *= 1.01
    write_topk(tmp_path / "topk.h5", topk)
    out = tmp_path / "x.h5"
    printed = refused(capsys, command(made, "conv2", out, topk=tmp_path / "topk.h5"), out)
    assert "for unit 2, rank 0, and computed again it is" in printed


def test_where_one_of_a_batch_is_computed_again_a_stale_layer_stops_the_stage(made, capsys, tmp_path):
    """conv3 sees more than the image: its entries go down in windows, which go up whole for the first of them alone."""
    topk = read_topk(made / "topk.h5")
    mined = topk.layers["conv3"]  # the histogram of it would tell
    topk.layers["conv3"] = dataclasses.replace(mined, activation=1.01 * mined.activation, histogram=None)
    write_topk(tmp_path / "topk.h5", topk)
    out = tmp_path / "x.h5"
    printed = refused(capsys, command(made, "conv3", out, topk=tmp_path / "topk.h5"), out)
    assert "and computed again it is" in printed


def test_a_shard_is_not_taken_for_the_whole(made, capsys, tmp_path):
    shard, out = tmp_path / "shard.h5", tmp_path / "x.h5"
    files = ["--model", made / "model.pt", "--images", made / "val.h5", "--out", shard, "--layers", "conv2"]
    assert main([str(word) for word in ["mine", *files, "--shard", 1, "--of", 2]]) == 0
    capsys.readouterr()
    assert "is a shard (images 0 to 4); merge" in refused(capsys, command(made, "conv2", out, topk=shard), out)


@pytest.mark.parametrize(
    ("layer", "options", "sentence"),
    [
        ("conv4", [], "has no layer 'conv4' (did you mean 'conv"),
        ("conv2", ["--units", "99"], "conv2 has no unit 99; its units are 0 to 14"),
        ("conv2", ["--collide", "ad"], "reconstruct.collide is 'ad' (did you mean 'add'?)"),
    ],
)
def test_bad_options_end_in_one_sentence(made, capsys, tmp_path, layer, options, sentence):
    out = tmp_path / "x.h5"
    assert sentence in refused(capsys, [*command(made, layer, out), *options], out)


def test_files_cut_in_half_are_named(made, capsys, tmp_path):
    for name, path in FILES.items():
        half = tmp_path / path
        half.write_bytes((made / path).read_bytes()[: (made / path).stat().st_size // 2])
        out = tmp_path / "x.h5"
        assert str(half) in refused(capsys, command(made, "conv2", out, **{name: half}), out)

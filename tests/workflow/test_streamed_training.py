"""`train.read: files`: the training reads each image from its own file, and the train split is not packed."""

import re
import shutil

MANIFEST = "results/data/small/check/manifest.csv"
MODEL = "results/tiny/train/model.pt"


def test_the_command_names_the_manifest_and_the_folder_and_only_the_val_split_is_packed(fresh):
    fresh.set(train={"read": "files", "workers": 3, "threads": 4})
    said = fresh.snakemake("-n", "--printshellcmds", "--quiet", "host", "--cores", "4", MODEL)
    (train,) = re.findall("^Shell command: zfpipe (train .*)$", said, re.M)
    words = train.split()
    assert "--train" not in words
    for option, value in (
        ("--train-manifest", MANIFEST),
        ("--root", "images"),
        ("--val", "results/data/small/pack/64/val.h5"),
        ("--workers", "3"),
        ("--threads", "4"),
    ):
        assert words[words.index(option) + 1] == value
    assert "--read" not in words
    (pack,) = re.findall("^Shell command: zfpipe (pack .*)$", said, re.M)
    assert "--split val" in pack


def test_it_trains_to_the_same_weights_as_from_the_packed_split(place):
    packed = (place / MODEL).read_bytes()
    shutil.rmtree(place / "results/tiny/state")
    (place / "results/data/small/pack/64/train.h5").unlink()
    place.set(train={"read": "files", "workers": 1})
    assert place.would_run(MODEL) == {"train": 1}
    place.make(MODEL)
    assert (place / MODEL).read_bytes() == packed
    assert not (place / "results/data/small/pack/64/train.h5").exists()

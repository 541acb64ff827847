"""`zfpipe train --train-manifest`: images from their own files, decoded in worker processes, are the packed ones."""

import os
import shutil
import signal
import sys
import threading
import time
from multiprocessing.process import BaseProcess

import numpy as np
import psutil
import pytest
from PIL import Image
from train_command import MODEL, assert_same, refused, rows_of, train

from zfpipe.__main__ import main
from zfpipe.data import streamed as streaming
from zfpipe.data.batches import batches, pixel_mean
from zfpipe.data.manifest import read_manifest, write_manifest
from zfpipe.data.packed import open_packed
from zfpipe.data.streamed import Streamed

PLAIN = MODEL | {"norm": "contrast"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with images of many sizes below images/, manifest.csv, train.h5 and val.h5."""
    folder, generator = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for split, count in (("train", 26), ("val", 9)):
        for number in range(count):
            path = folder / "images" / split / "rgb"[number % 3] / f'{number} ü,".{("png", "jpg")[number % 2]}'
            path.parent.mkdir(parents=True, exist_ok=True)
            height, width = generator.integers(52, 90, 2)
            pixels = generator.integers(0, 150, (height, width, 3), dtype=np.uint8)
            pixels[:, :, number % 3] += 100
            Image.fromarray(pixels if number % 5 else pixels[:, :, 0]).save(path)
    check = ["check", "--root", folder / "images", "--min-size", 1, "--out-manifest", folder / "manifest.csv"]
    check += ["--out-html", folder / "report.html", "--out-json", folder / "report.json"]
    assert main([str(word) for word in check]) == 0
    for split in ("train", "val"):
        pack = ["pack", "--manifest", folder / "manifest.csv", "--root", folder / "images", "--split", split]
        assert main([str(word) for word in [*pack, "--size", 52, "--out", folder / f"{split}.h5"]]) == 0
    return folder


@pytest.fixture(scope="module")
def packed(data, tmp_path_factory):
    """Return the folder of two epochs on the packed split."""
    out = tmp_path_factory.mktemp("packed")
    train(data, out, "--epochs", 2, model=PLAIN)
    return out


def files(data, *options):
    return ["--train-manifest", data / "manifest.csv", "--root", data / "images", *options]


def streamed(data, workers=2):
    return Streamed(data / "manifest.csv", data / "images", 52, 3, workers)


def test_it_is_the_packed_split_pixel_for_pixel(data):
    images = streamed(data)
    with open_packed(data / "train.h5") as split:
        assert (len(images), images.size, images.channels) == (len(split), split.size, split.channels)
        assert (images.classes, images.manifest_sha256) == (split.classes, split.manifest_sha256)
        np.testing.assert_array_equal(images.labels, split.labels)
        np.testing.assert_array_equal(images.read(3, 99), split.read(3, 99))
        groups = [np.array([25, 0, 7]), np.array([1]), np.array([2, 2])]
        for got, rows in zip(images.stream(iter(groups)), groups, strict=True):
            np.testing.assert_array_equal(got, split.read_rows(rows))
        np.testing.assert_array_equal(pixel_mean(images), pixel_mean(split))


@pytest.mark.skipif(sys.platform != "linux", reason="memory of other processes")
def test_workers_hold_no_batch_that_they_have_handed_over(data, monkeypatch):
    monkeypatch.setattr(streaming, "packed_image", lambda *which: np.full((256, 256, 3), 7, np.uint8))
    images, held = Streamed(data / "manifest.csv", data / "images", 256, 3, 2), []
    others = set(psutil.Process().children())
    for number, got in enumerate(images.stream([np.arange(26)] * 61)):  # 5 MB each
        if number in (10, 60):
            held.append([one.memory_info() for one in psutil.Process().children() if one not in others])
        assert (got == 7).all()
    for before, after in zip(*held, strict=True):
        assert after.rss - after.shared < before.rss - before.shared + 25e6
    assert len(held[0]) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_training_from_files_is_training_from_the_packed_split_to_the_bit(data, packed, tmp_path, workers):
    words = files(data, "--workers", workers)
    train(data, tmp_path, "--epochs", 2, *words, model=PLAIN, train=False)
    assert_same(tmp_path, packed)
    assert {path.name for path in (tmp_path / "state").iterdir()} == {p.name for p in (packed / "state").iterdir()}


def test_two_devices_read_files_too(data, packed, tmp_path):
    words = files(data, "--devices", 2, "--workers", 2)
    train(data, tmp_path, "--epochs", 1, *words, model=PLAIN, train=False)
    found, expected = float(rows_of(tmp_path)[0]["train_loss"]), float(rows_of(packed)[0]["train_loss"])
    assert found == pytest.approx(expected, rel=1e-5)


def cut(path):
    path.write_bytes(path.read_bytes()[:60])


def change(path):
    Image.new("RGB", (60, 60)).save(path)


@pytest.mark.parametrize(
    ("harm", "words"),
    [(lambda path: path.unlink(), "Cannot read"), (cut, "has changed since"), (change, "has changed since")],
    ids=["missing", "cut", "changed"],
)
@pytest.mark.parametrize("given", [[], ["--mean", 100, "--std", 50]], ids=["while counting the mean", "in an epoch"])
def test_an_image_that_is_not_the_checked_one_is_one_sentence(data, tmp_path, capfd, harm, words, given):
    shutil.copytree(data / "images", tmp_path / "images")
    harmed = next((tmp_path / "images" / "train" / "g").iterdir())
    harm(harmed)
    options = files(data, "--epochs", 1, *given)
    options[3] = tmp_path / "images"
    said = refused(capfd, data, tmp_path, *options, model=PLAIN, train=False)
    assert words in said
    assert str(harmed) in said


def test_a_checked_file_that_does_not_decode_is_one_sentence(data, tmp_path, capfd):
    """Only a hand-made manifest can list one; a worker must not answer with a trace all the same."""
    from hashlib import sha256

    shutil.copytree(data / "images", tmp_path / "images")
    rows = read_manifest(data / "manifest.csv")
    path = tmp_path / "images" / rows[4].path
    cut(path)
    rows[4] = type(rows[4])(**{**vars(rows[4]), "sha256": sha256(path.read_bytes()).hexdigest()})
    write_manifest(tmp_path / "manifest.csv", rows)
    options = ["--train-manifest", tmp_path / "manifest.csv", "--root", tmp_path / "images", "--epochs", 1]
    said = refused(capfd, data, tmp_path, *options, model=PLAIN, train=False)
    assert f"{path} ends early" in said or f"{path} is not an image" in said


@pytest.mark.parametrize("given", [[], ["--mean", 100, "--std", 50]], ids=["while counting the mean", "in an epoch"])
def test_a_killed_worker_is_one_sentence(data, tmp_path, capfd, monkeypatch, given):
    decode, last = streaming.packed_image, read_manifest(data / "manifest.csv", "train")[-1].path

    def killed(path, *others):
        if path.as_posix().endswith(last):
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        return decode(path, *others)

    monkeypatch.setattr(streaming, "packed_image", killed)
    words = files(data, "--epochs", 3, "--workers", 1, *given)
    said = refused(capfd, data, tmp_path, *words, model=PLAIN, train=False)
    assert "A process that decodes training images was ended" in said


def test_workers_are_begun_by_the_main_thread_and_end_well(data, monkeypatch):
    """One that the thread of a pool forks ends with an error, which comes up in the training if it is quick enough."""
    begun, start = [], BaseProcess.start

    def noting(process):
        begun.append((process, threading.current_thread()))
        start(process)

    monkeypatch.setattr(BaseProcess, "start", noting)
    images = streamed(data)
    assert len(list(batches(images, images.labels, np.arange(26), 8))) == 4
    assert [thread for _, thread in begun] == [threading.main_thread()] * 2
    for process, _ in begun:
        process.join(20)
        assert process.exitcode == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--train-manifest", "nowhere.csv", "--root", "."], "There is no manifest nowhere.csv"),
        (["--train-manifest", "nowhere.csv"], "needs --root"),
        (["--train-manifest", "nowhere.csv", "--root", ".", "--workers", -1], "train.workers is -1"),
    ],
)
def test_wrong_files_are_one_sentence(data, tmp_path, capsys, options, words):
    assert words in refused(capsys, data, tmp_path, "--epochs", 1, *options, train=False)


def test_a_manifest_without_training_images(data, tmp_path, capsys):
    write_manifest(tmp_path / "manifest.csv", read_manifest(data / "manifest.csv", "val"))
    options = ["--train-manifest", tmp_path / "manifest.csv", "--root", data / "images", "--epochs", 1]
    assert "training split holds no images" in refused(capsys, data, tmp_path, *options, train=False)


def test_both_kinds_of_training_images_are_refused(data, tmp_path, capsys):
    assert "in place of --train" in refused(capsys, data, tmp_path, *files(data), "--epochs", 1)

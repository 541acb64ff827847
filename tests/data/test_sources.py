"""Every source, from a small copy in its own layout: (split, path, class), or one sentence of what is missing."""

import re

import numpy as np
import published_examples as examples
import pytest
from image_examples import folder
from PIL import Image

from zfpipe.__main__ import main
from zfpipe.data.checks import look
from zfpipe.data.published import IN_ARRAYS, IN_FILES, PUBLISHED, arrays_of, list_published, variant_of
from zfpipe.data.sources import list_source
from zfpipe.data.table import exclude, list_table, read_exclusions
from zfpipe.errors import UserError

SETS = {name: getattr(examples, "cifar" if name == "cifar10" else name) for name in PUBLISHED}


def listed(listing):
    return {(file.split, file.path, file.class_name) for file in listing.files}


@pytest.mark.parametrize("name", IN_FILES)
def test_files_are_listed_as_torchvision_names_them(name, tmp_path, monkeypatch):
    expected = SETS[name](tmp_path, monkeypatch)
    listing = list_source(name, tmp_path, None, False, None)
    assert listed(listing) == expected
    assert listing.splits == (() if name.startswith("caltech") else ("train", "val"))
    assert set(listing.folders) == {(split, class_name) for split, _, class_name in expected}
    assert [file.path for file in listing.files] == sorted(file.path for file in listing.files)
    assert all(look(tmp_path, file).sha256 for file in listing.files)


def test_a_part_of_a_published_set_is_told_apart_from_the_whole(tmp_path, monkeypatch, capsys):
    examples.imagenette(tmp_path, monkeypatch)
    words = [
        "--out-manifest",
        "m.csv",
        "--out-html",
        "r.html",
        "--out-json",
        "r.json",
        "--severity",
        "too-small=ignore",
    ]
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--root", ".", "--source", "imagenette", *words, "incomplete=error"]) == 1
    said = capsys.readouterr().err
    assert re.search(r"incomplete: train/ \(\d of 9,469 images\), val/ \(\d of 3,925 images\)", said)


@pytest.mark.parametrize(("name", "variant", "size"), [("imagenette", "160px", "-160"), ("places365", "256", "256")])
def test_a_variant_has_folders_of_its_own(name, variant, size, tmp_path, monkeypatch):
    expected = SETS[name](tmp_path, monkeypatch, size)
    assert listed(list_published(name, tmp_path, variant=variant)) == expected
    with pytest.raises(UserError, match="holds no whole"):
        list_published(name, tmp_path)


def test_an_unknown_variant_names_those_that_are():
    with pytest.raises(UserError, match="it can be: full, 320px, 160px"):
        variant_of("imagenette", "200px")
    with pytest.raises(UserError, match="no variants"):
        variant_of("food101", "small")


@pytest.mark.parametrize("name", IN_ARRAYS)
def test_arrays_become_an_image_folder_pixel_for_pixel(name, tmp_path, monkeypatch):
    expected = SETS[name](tmp_path / "root", monkeypatch)
    out = tmp_path / "out"
    assert main(["unpack", "--source", name, "--root", str(tmp_path / "root"), "--out", str(out), "--threads=2"]) == 0
    written = {path.relative_to(out).as_posix(): np.asarray(Image.open(path)) for path in out.rglob("*.png")}
    assert written.keys() == {f"{split}/{class_name}/{place:05d}.png" for split, class_name, place in expected}
    for (split, class_name, place), pixels in expected.items():
        np.testing.assert_array_equal(written[f"{split}/{class_name}/{place:05d}.png"], pixels)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_missing_set_is_one_sentence_and_leaves_nothing(name, tmp_path):
    read = list_published if name in IN_FILES else lambda *arguments: list(arrays_of(*arguments))
    with pytest.raises(UserError) as caught:
        read(name, tmp_path)
    message = str(caught.value)
    assert f"{tmp_path} holds no whole {PUBLISHED[name].kind}: looked for" in message
    assert "download: true" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "file"),
    [("cifar10", "cifar-10-batches-py/test_batch"), ("flowers102", "flowers-102/setid.mat")],
)
def test_a_changed_file_is_refused_before_anything_in_it_is_loaded(name, file, tmp_path, monkeypatch, capsys):
    SETS[name](tmp_path / "root", monkeypatch)
    (tmp_path / "root" / file).write_bytes(b"cos\nsystem\n(S'touch " + bytes(tmp_path / "ran") + b"'\ntR.")
    with pytest.raises(UserError, match=r"torchvision says: a file is missing, or its checksum is not"):
        list(arrays_of(name, tmp_path / "root")) if name in IN_ARRAYS else list_published(name, tmp_path / "root")
    assert not (tmp_path / "ran").exists()
    if name in IN_ARRAYS:
        assert main(["unpack", "--source", name, "--root", str(tmp_path / "root"), f"--out={tmp_path / 'out'}"]) == 1
        assert "holds no whole CIFAR10" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_only_download_asks_torchvision_to_fetch(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("torchvision.datasets.imagenette.download_and_extract_archive", lambda *a, **k: asked.append(a))
    with pytest.raises(UserError, match="looked for imagenette2/train"):
        list_published("imagenette", tmp_path, download=False)
    assert asked == []
    with pytest.raises(UserError, match="torchvision says"):
        list_published("imagenette", tmp_path, download=True)  # nothing came
    assert len(asked) == 1


def table(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return path


def test_a_table_with_and_without_splits(tmp_path):
    folder(tmp_path, {"in/a.png": 0, "in/b.png": 1})
    path = table(tmp_path, f"label,path,note\ncat,./in/a.png,x\ndog,{tmp_path}/in/b.png,y\n")
    listing = list_table(path, tmp_path)
    assert listed(listing) == {(None, "in/a.png", "cat"), (None, "in/b.png", "dog")}
    assert listing.splits == ()
    path = table(tmp_path, '\ufeffpath,label,split\nin/a.png,"cat, tabby",train\nin/b.png,dog,val\n')
    listing = list_source("csv", tmp_path, path, False, None)
    assert listed(listing) == {("train", "in/a.png", "cat, tabby"), ("val", "in/b.png", "dog")}
    assert (listing.splits, listing.layout) == (("train", "val"), "split by the table")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,cat\n", "lacks the column path: its first line is 'file,label'"),
        ("", "lacks the column path"),
        ("path,label\n", "names no files"),
        ("path,label\na.png,\n", "line 2: the label of a.png is empty"),
        ("path,label\n,cat\n", "line 2: the path is empty"),
        ("path,label\na.png,cat\nb.png,cat\n./a.png,dog\n", "line 4: a.png stands in line 2 already"),
        ("path,label\n../a.png,cat\n", "line 2: ../a.png leads out of"),
        ("path,label,split\na.png,cat,test\n", "line 2: split is 'test'; it can be: train, val"),
        ("path,label,split\na.png,cat,train\n", "train in every line"),
    ],
)
def test_a_table_that_does_not_fit_is_one_sentence(tmp_path, text, message):
    with pytest.raises(UserError, match=message.replace(".", r"\.")) as caught:
        list_table(table(tmp_path, text), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_table_and_one_that_is_not_utf8(tmp_path):
    with pytest.raises(UserError, match=r"There is no file"):
        list_table(tmp_path / "none.csv", tmp_path)
    (tmp_path / "labels.csv").write_bytes(b"path,label\ncaf\xe9.png,cat\n")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        list_table(tmp_path / "labels.csv", tmp_path)


def test_an_exclusion_list_takes_files_out_and_names_those_that_are_not_there(tmp_path):
    listing = list_source("folder", folder(tmp_path, {f"a/{i}.png": i for i in range(4)}), None, False, None)
    path = tmp_path / "bad.csv"
    path.write_text("split,path\ntrain,a/1.png\nval,./a/3.png\n")
    excluded = exclude(listing, read_exclusions(path), str(path))
    assert [file.path for file in excluded] == ["a/1.png", "a/3.png"]
    assert [file.path for file in listing.files] == ["a/0.png", "a/2.png"]
    path.write_text("path\na/1.png\n")
    with pytest.raises(UserError, match=r"bad.csv names files that are not in the data set: a/1.png; paths"):
        exclude(listing, read_exclusions(path), str(path))


def test_another_variant_that_is_there_is_named(tmp_path, monkeypatch):
    examples.imagenette(tmp_path, monkeypatch, "-160")
    with pytest.raises(UserError, match=r"the variant 160px is there: set `variant: 160px`"):
        list_published("imagenette", tmp_path)


def test_a_table_needs_the_folder_that_its_paths_start_from(tmp_path):
    (tmp_path / "t.csv").write_text("path,label\na.png,a\n")
    with pytest.raises(UserError, match=r"There is no folder .*nope, which the paths in .*t\.csv start from"):
        list_table(tmp_path / "t.csv", tmp_path / "nope")

"""Which files an image folder holds, and on which side zfpipe puts an image."""

import hashlib
import os

import pytest
from image_examples import folder, plain

from zfpipe.data.folder import divide, list_folder
from zfpipe.errors import UserError


def digests(count, start=0):
    return {hashlib.sha256(str(number).encode()).hexdigest() for number in range(start, start + count)}


def test_both_layouts_are_told_apart(tmp_path):
    listing = list_folder(plain(tmp_path))
    assert listing.splits == ("train", "val")
    assert [(f.path, f.class_name, f.split) for f in listing.files][:3] == [
        ("train/a/0.png", "a", "train"),
        ("train/a/1.png", "a", "train"),
        ("train/b/0.png", "b", "train"),
    ]
    listing = list_folder(tmp_path / "train")
    assert listing.splits == ()
    assert [(f.path, f.class_name, f.split) for f in listing.files][-1] == ("b/1.png", "b", None)


def test_a_class_may_be_called_train(tmp_path):
    listing = list_folder(folder(tmp_path, {"train/0.png": 0, "bus/0.png": 1}))
    assert listing.splits == ()
    assert {file.class_name for file in listing.files} == {"train", "bus"}


def test_a_folder_with_val_alone_is_listed(tmp_path):
    assert list_folder(folder(tmp_path, {"val/a/0.png": 0})).splits == ("val",)


def test_train_without_val_names_what_is_there(tmp_path):
    folder(tmp_path, {"train/a/0.png": 0, "validation/a/0.png": 1})
    with pytest.raises(UserError, match=r"train/ .* but no val/ .*train, validation"):
        list_folder(tmp_path)


def test_a_missing_folder_and_one_without_classes_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"There is no folder .*nowhere"):
        list_folder(tmp_path / "nowhere")
    folder(tmp_path, {"0.png": 0})
    with pytest.raises(UserError, match="has no class folders"):
        list_folder(tmp_path)


def test_hidden_files_are_skipped_strays_named_and_inner_folders_walked(tmp_path):
    folder(tmp_path, {"train/a/deep/er/0.png": 0, "val/a/0.png": 1, "test/a/0.png": 2, "val/loose.png": 3})
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"):
        (tmp_path / "train/a" / name).write_bytes(b"x")
    (tmp_path / ".git").mkdir()
    listing = list_folder(tmp_path)
    assert [file.path for file in listing.files] == ["train/a/deep/er/0.png", "val/a/0.png"]
    assert listing.strays == ["val/loose.png", "test"]


def test_links_are_followed_and_a_loop_ends(tmp_path):
    folder(tmp_path / "root", {"a/0.png": 0, "b/0.png": 1})
    folder(tmp_path / "elsewhere", {"1.png": 2})
    os.symlink(tmp_path / "elsewhere", tmp_path / "root/a/linked")
    os.symlink(tmp_path / "root/a", tmp_path / "root/a/loop")
    os.symlink(tmp_path / "nowhere", tmp_path / "root/b/broken.png")
    paths = [file.path for file in list_folder(tmp_path / "root").files]
    assert paths == ["a/0.png", "a/linked/1.png", "b/0.png", "b/broken.png"]


@pytest.mark.parametrize("count", [2, 3, 5, 10, 20, 40, 100, 1000])
@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.9])
def test_each_class_gets_its_share(count, fraction):
    for start in range(0, 20_000, 1000):
        val = divide({"a": digests(count, start)}, fraction)
        assert 1 <= len(val) <= count - 1
        share = count * fraction
        assert abs(len(val) - min(max(share, 1), count - 1)) <= max(1, share / 4) + 0.5


def test_a_single_image_is_trained_on():
    assert divide({"a": digests(1)}, 0.9) == set()


def test_adding_images_moves_no_other():
    before = digests(400)
    val = divide({"a": before}, 0.2)
    for more in (1, 10, 400):
        after = divide({"a": before | digests(more, 5000)}, 0.2)
        assert after & before == val
    assert divide({"a": before, "b": digests(50, 9000)}, 0.2) & before == val


def test_an_image_of_two_classes_has_one_side():
    shared = digests(3)
    for start in range(10, 1000, 10):
        one, two = digests(4, start) | shared, digests(9, start + 5) | shared
        val = divide({"a": one, "b": two}, 0.3)
        alone = divide({"a": shared, "b": shared}, 0.3)
        assert val & shared == alone & shared


def test_the_order_of_classes_does_not_count():
    groups = {name: digests(12, 100 * place) for place, name in enumerate("abcd")}
    assert divide(groups, 0.3) == divide(dict(reversed(groups.items())), 0.3)


@pytest.mark.parametrize(("count", "least", "most"), [(2, 1, 1), (3, 1, 1), (8, 1, 2), (10, 1, 3), (100, 15, 25)])
def test_a_class_of_any_size_gets_about_its_share_of_val(count, least, most):
    for start in range(20):
        members = {hashlib.sha256(f"{start} {number}".encode()).hexdigest() for number in range(count)}
        assert least <= len(divide({"a": members}, 0.2)) <= most

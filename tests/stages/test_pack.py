"""`zfpipe pack`: equal to a slow plain version, the same bytes for any number of threads, no changed file."""

import numpy as np
import pytest
from PIL import Image

from zfpipe.__main__ import main
from zfpipe.data.manifest import read_manifest, split_sha256
from zfpipe.data.packed import open_packed


@pytest.fixture
def root(tmp_path):
    """Nine images a split in three classes, of different sizes; and their manifest."""
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("b", "a", "c\n,"):
            for number in range(3):
                shape = (int(generator.integers(20, 60)), int(generator.integers(20, 60)), 3)
                path = tmp_path / "images" / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(path)
    outputs = [f"--out-{kind}={tmp_path / name}" for kind, name in (("html", "r.html"), ("json", "r.json"))]
    manifest = f"--out-manifest={tmp_path / 'manifest.csv'}"
    assert main(["check", f"--root={tmp_path / 'images'}", manifest, *outputs]) == 0
    return tmp_path / "images"


def pack(root, out="val.h5", split="val", threads=1, size="24"):
    folder = root.parent
    options = {"manifest": folder / "manifest.csv", "root": root, "split": split, "size": size, "threads": threads}
    return main(["pack", f"--out={folder / out}", *[f"--{name}={value}" for name, value in options.items()]])


def plainly(path, size):
    """Resize the shorter side, cut the centre: the slow plain version for RGB images."""
    image = Image.open(path)
    short = min(image.size)
    width, height = (int(size * side / short) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    top, left = round((height - size) / 2), round((width - size) / 2)
    return np.asarray(image)[top : top + size, left : left + size]


@pytest.mark.parametrize("split", ["train", "val"])
def test_it_equals_a_slow_plain_version(root, split):
    assert pack(root, "out.h5", split) == 0
    rows = read_manifest(root.parent / "manifest.csv", split)
    with open_packed(root.parent / "out.h5") as packed:
        expected = np.stack([plainly(root / row.path, 24) for row in rows])
        assert np.array_equal(packed.read(0, len(packed)), expected)
        assert packed.paths == [row.path for row in rows]
        assert packed.classes == ["a", "b", "c\n,"]
        assert [packed.classes[label] for label in packed.labels] == [row.class_name for row in rows]
        assert (packed.split, packed.size, packed.manifest_sha256) == (split, (24, 24), split_sha256(rows))


def test_the_bytes_are_the_same_for_1_and_3_threads(root):
    assert pack(root, "one.h5", threads=1) == pack(root, "three.h5", threads=3) == 0
    assert (root.parent / "one.h5").read_bytes() == (root.parent / "three.h5").read_bytes()


def fails(root, capsys, *parts, **options):
    """Run pack; assert that it fails in one sentence that holds `parts`, and leaves nothing."""
    capsys.readouterr()
    assert pack(root, **options) == 1
    message = capsys.readouterr().err
    assert "Traceback" not in message
    assert message.count("zfpipe pack: error:") == 1
    for part in parts:
        assert str(part) in message
    assert not [path for path in root.parent.iterdir() if "h5" in path.name]


def test_a_changed_file_is_refused_by_name(root, capsys):
    path = root / "val/b/1.png"
    Image.open(path).transpose(Image.Transpose.ROTATE_180).save(path)
    fails(root, capsys, path, "has changed since the manifest was written", threads=3)


def test_a_file_that_is_gone_is_named(root, capsys):
    (root / "val/b/1.png").unlink()
    fails(root, capsys, root / "val/b/1.png", "No such file")


def test_a_missing_or_damaged_manifest_is_named(root, capsys):
    path = root.parent / "manifest.csv"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))
    fails(root, capsys, path, "is not a whole manifest")
    path.unlink()
    fails(root, capsys, path, "There is no manifest")


def test_impossible_numbers_are_refused(root, capsys):
    fails(root, capsys, "--size is 0", size=0)
    fails(root, capsys, "--threads is 0", threads=0)


def test_a_split_without_images_is_refused(root, capsys):
    arguments = [f"--out-manifest={root.parent / 'manifest.csv'}", f"--out-html={root.parent / 'r.html'}"]
    (root / "train").rename(root.parent / "elsewhere")
    assert main(["check", f"--root={root}", *arguments, f"--out-json={root.parent / 'r.json'}"]) == 0
    fails(root, capsys, "lists no image of split 'train'", split="train")

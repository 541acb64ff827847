"""The manifest: an order that stays, any file name, and no row lost unseen."""

import pytest

from zfpipe.data.manifest import classes_of, number, read_manifest, split_sha256, write_manifest
from zfpipe.errors import UserError

ODD = 'a "quoted", name\nwith a newline\r\n# sha256 <b>&amp;</b> é.png'
FILES = [
    ("val", "val/b/1.png", "b", "3" * 64),
    ("train", "train/b/2.png", "b", "1" * 64),
    ("train", f"train/a/{ODD}", "a, or\nb", "2" * 64),
    ("train", "train/B/1.png", "B", "0" * 64),
    ("val", "val/a/1.png", "a", "4" * 64),
]


@pytest.fixture
def path(tmp_path):
    write_manifest(tmp_path / "manifest.csv", number(FILES))
    return tmp_path / "manifest.csv"


def test_rows_come_back_train_first_by_the_bytes_of_the_path_each_split_from_0(path):
    rows = read_manifest(path)
    assert rows == number(FILES)
    assert [(row.split, row.image_index, row.path) for row in rows] == [
        ("train", 0, "train/B/1.png"),
        ("train", 1, f"train/a/{ODD}"),
        ("train", 2, "train/b/2.png"),
        ("val", 0, "val/a/1.png"),
        ("val", 1, "val/b/1.png"),
    ]
    assert rows == number(reversed(FILES))
    assert [row.path for row in read_manifest(path, "val")] == ["val/a/1.png", "val/b/1.png"]
    assert classes_of(rows) == ["B", "a", "a, or\nb", "b"]


def test_the_same_rows_give_the_same_bytes(path, tmp_path):
    write_manifest(tmp_path / "again.csv", read_manifest(path))
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()
    assert path.read_text().startswith("image_index,split,path,class,sha256\n0,train,train/B/1.png,B,0")


def test_any_lost_line_and_any_flipped_byte_is_noticed(path):
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    broken = [b"".join(lines[:place] + lines[place + 1 :]) for place in range(len(lines))]
    broken += [data[:length] for length in range(len(data) - 1)]
    broken += [data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in range(len(data) - 1)]
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"manifest\.csv is not a whole manifest"):
            read_manifest(path)


def test_a_manifest_with_rows_out_of_place_is_refused_though_its_digest_is_right(path):
    rows = number(FILES)
    for wrong in (rows[1:], rows[::-1], [*rows, rows[-1]]):
        write_manifest(path, wrong)
        with pytest.raises(UserError, match="is out of its place"):
            read_manifest(path)


def test_a_missing_manifest_says_who_writes_it(tmp_path):
    with pytest.raises(UserError, match=r"There is no manifest .*zfpipe check"):
        read_manifest(tmp_path / "manifest.csv")


def test_the_digest_of_a_split_covers_every_column():
    rows = number(FILES)[:3]
    digest = split_sha256(rows)
    assert digest == split_sha256(number(reversed(FILES))[:3])
    assert digest != split_sha256(rows[:2])
    for place in (1, 2, 3):
        changed = [list(file) for file in FILES]
        changed[1][place] = "f" * 64
        assert split_sha256([row for row in number(changed) if row.split == "train"]) != digest

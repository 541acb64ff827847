"""A damaged file is refused with the words "delete it and run again": which then makes it, and what depended on it."""

import pytest


@pytest.mark.parametrize("file", ["train/model.pt", "mine/topk.h5", "reconstruct/conv2.h5"])
def test_a_damaged_file_that_is_deleted_is_made_again(place, file):
    path = place / "results/tiny" / file
    kept = {each: each.read_bytes() for each in (place / "results/tiny").rglob("*.h5")} | {path: path.read_bytes()}
    path.write_bytes(path.read_bytes()[:-1000])
    assert "delete it and run again" in place.make(status=1)
    path.unlink()
    place.make()
    assert all(each.read_bytes() == was for each, was in kept.items())
    assert not place.would_run()

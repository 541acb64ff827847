"""A file appears whole or not at all: the old one stays, nothing is left over, and the cause is named."""

import contextlib
import errno
import os
import resource
import signal
import stat
import subprocess
import sys

import pytest

from zfpipe.errors import UserError
from zfpipe.files.whole import whole_file, whole_folder, write_bytes, write_text


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "results" / "a.txt"
    write_text(path, "old")
    return path


def only(path):
    return [entry.name for entry in path.parent.iterdir()] == [path.name]


def complaint(path):
    """Write 'new'; return what went wrong."""
    try:
        write_text(path, "new")
    except UserError as error:
        return str(error)


def test_it_is_written_with_the_usual_permissions_and_makes_its_folder(path):
    assert path.read_text() == "old"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert only(path)


def test_an_error_in_the_block_leaves_the_old_file_and_no_leftovers(path):
    with contextlib.suppress(ZeroDivisionError), whole_file(path) as aside:
        aside.write_text("half")
        1 / 0  # noqa: B018
    assert path.read_text() == "old"
    assert only(path)


@pytest.mark.parametrize("call", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_when_a_system_call_fails_the_file_is_the_old_one_or_the_new_one_whole(path, monkeypatch, call, nth, code):
    real, calls = getattr(os, call), []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == nth:
            raise OSError(code, os.strerror(code))
        return real(*arguments)

    monkeypatch.setattr(os, call, failing)
    failed = complaint(path)
    assert failed == (f"Cannot write {path}: {os.strerror(code)}." if len(calls) >= nth else None)
    assert path.read_text() in (("old", "new") if failed else ("new",))
    assert only(path)


def test_a_folder_that_cannot_be_made_is_named_with_the_cause(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"Cannot write .*file/a\.txt: (Not a directory|File exists)"):
        write_text(tmp_path / "file" / "a.txt", "new")


def test_a_read_only_folder_is_named_with_the_cause(path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", refused)  # tests may run as root, whom no permission stops
    with pytest.raises(UserError, match=r"Cannot write .*a\.txt: Permission denied"):
        write_text(path, "new")
    assert only(path)


def test_a_full_disk_is_named(path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(UserError, match=r"Cannot write .*a\.txt: File too large"):
            write_bytes(path, bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert only(path)


def test_an_error_about_another_file_keeps_that_files_name(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"input\.txt"), whole_file(path) as aside:
        aside.write_text((tmp_path / "input.txt").read_text())
    assert path.read_text() == "old"


WRITER = """
import sys, time
from zfpipe.files.whole import whole_file
with whole_file(sys.argv[1]) as aside:
    aside.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    yield process
    process.kill()
    process.wait()


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_cleans_up(path, writer):
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert path.read_text() == "old"
    assert not only(path)
    other = path.with_name("b.txt")
    write_text(other, "another file's writer leaves it alone")
    assert len(list(path.parent.iterdir())) == 3
    other.unlink()
    write_text(path, "new")
    assert path.read_text() == "new"
    assert only(path)


def test_a_living_writers_file_is_not_taken_for_a_leftover(path, writer):
    write_text(path, "new")
    assert path.read_text() == "new"
    (partial,) = (entry for entry in path.parent.iterdir() if entry != path)
    assert partial.read_text() == "half"


def test_leftover_folders_are_cleaned_too(tmp_path):
    (tmp_path / ".out.123.partial" / "inside").mkdir(parents=True)
    with whole_folder(tmp_path / "out") as aside:
        (aside / "a.txt").write_text("new")
        assert not (tmp_path / "out").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out/a.txt").read_text() == "new"


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_replaced_whole_or_stays(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr("zfpipe.files.whole.RENAME_EXCHANGE", 1 << 20)  # refused as invalid, as by NFS
    out = tmp_path / "out"
    for content in ("one", "two"):
        with whole_folder(out) as aside:
            (aside / f"{content}.txt").write_text(content)
    assert [entry.name for entry in out.iterdir()] == ["two.txt"]
    with contextlib.suppress(ZeroDivisionError), whole_folder(out) as aside:
        (aside / "three.txt").write_text("half")
        1 / 0  # noqa: B018
    assert [entry.name for entry in out.iterdir()] == ["two.txt"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]

"""Whole files only: written aside, flushed, renamed. The final path is the old file whole or the new one whole."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zfpipe.errors import UserError

SUFFIX = ".partial"


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; put it in place when the block ends well.

    Leftovers of killed runs for the same path are removed first.
    Raises UserError, naming the file and the cause, when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    with _naming(path):
        _clean(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent)
    aside = Path(name)
    fcntl.flock(handle, fcntl.LOCK_EX)  # says that its writer lives
    try:
        with _naming(path, aside):
            yield aside
            os.chmod(aside, 0o666 & ~_umask())
            _fsync(aside)
            os.replace(aside, path)
            _fsync(path.parent)
    finally:
        aside.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; put it at `path`, which is not there or empty, when the block ends well.

    Raises UserError, naming `path` and the cause, when the disk is full or a folder cannot be written.
    """
    path = Path(path)
    with _naming(path):
        _clean(path)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent))
    handle = os.open(aside, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with _naming(path, aside):
            yield aside
            aside.chmod(0o777 & ~_umask())
            os.sync()  # all its files at once; one by one, sixty thousand small ones take minutes
            os.replace(aside, path)
            _fsync(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a binary file whole."""
    with whole_file(path) as aside:
        aside.write_bytes(data)


@contextlib.contextmanager
def _naming(path: Path, aside: Path | None = None) -> Iterator[None]:
    """Turn what the system refuses into a UserError about `path`, unless it is about a file that is not `aside`."""
    try:
        if aside is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if aside and not _is_about(error, path, aside):
            raise  # about some other file, read inside the block
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from error


def _is_about(error: OSError, path: Path, aside: Path) -> bool:
    if error.filename is None:
        return True
    named = Path(os.fsdecode(error.filename))
    return named in (path, path.parent) or aside in (named, *named.parents)


def _clean(path: Path) -> None:
    for entry in os.scandir(path.parent):
        if (
            entry.name.startswith(f".{path.name}.")
            and entry.name.endswith(SUFFIX)
            and not _has_living_writer(entry.path)
        ):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def _has_living_writer(partial: str) -> bool:
    """Tell a file that another process is writing from one that a killed process left: the system drops its locks."""
    try:
        handle = os.open(partial, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

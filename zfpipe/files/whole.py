"""Whole files only: written aside, flushed, renamed. The final path is the old file whole or the new one whole."""

import contextlib
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
        os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with _naming(path):
            os.chmod(aside, 0o666 & ~_umask())
            _fsync(aside)
            os.replace(aside, path)
            _fsync(path.parent)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; put it in place of `path` when the block ends well."""
    path = Path(path)
    with _naming(path):
        _clean(path)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent))
    try:
        yield aside
        with _naming(path):
            aside.chmod(0o777 & ~_umask())
            if path.exists():
                shutil.rmtree(path)
            os.replace(aside, path)
            _fsync(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a binary file whole."""
    with whole_file(path) as aside:
        aside.write_bytes(data)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from error


def _clean(path: Path) -> None:
    for entry in os.scandir(path.parent):
        if entry.name.startswith(f".{path.name}.") and entry.name.endswith(SUFFIX):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


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

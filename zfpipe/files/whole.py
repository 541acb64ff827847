"""Whole files only: written aside, flushed, renamed. The final path is the old file whole or the new one whole."""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zfpipe.errors import UserError

SUFFIX = ".partial"
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; put it in place when the block ends well.

    Leftovers of killed runs for the same path are removed first.
    Raises UserError, naming the file and the cause, when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    with _naming(path):
        _clean(path)
        handle, aside = _aside(path, folder=False)
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


def require_writable(path: str | Path) -> None:
    """Raise UserError unless a file can be made beside `path`: asked before long work, not after it."""
    path = Path(path)
    with _naming(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        handle, aside = _aside(path, folder=False)
        os.close(handle)
        aside.unlink()


def require_folders(*paths: str | Path) -> None:
    """Raise UserError if something else stands where one of these folders is, or will be made."""
    for path in map(Path, paths):
        if (path.exists() or path.is_symlink()) and not path.is_dir():
            raise UserError(f"{path} is no folder, and files are to be written into it; move it out of the way.")


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; put it in place of `path` when the block ends well.

    Raises UserError, naming `path` and the cause, when the disk is full or a folder cannot be written.
    """
    path = Path(path)
    with _naming(path):
        _clean(path)
        handle, aside = _aside(path, folder=True)
    try:
        with _naming(path, aside):
            yield aside
            aside.chmod(0o777 & ~_umask())
            os.sync()  # all its files at once; one by one, sixty thousand small ones take minutes
            _exchange(aside, path)
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


def _aside(path: Path, folder: bool) -> tuple[int, Path]:
    """Make a temporary file or folder and lock it, which says that its writer lives; return the lock and its path."""
    while True:
        if folder:
            name = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent)
            handle = os.open(name, os.O_RDONLY)
        else:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.exists(name):
            return handle, Path(name)
        os.close(handle)  # another writer came before the lock, and took it for a leftover


def _exchange(aside: Path, path: Path) -> None:
    """Put a folder in place of another: in one step where the system can, so that no moment is without either."""
    if not path.exists():
        os.replace(aside, path)
        return
    exchange = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    names = os.fsencode(os.path.abspath(aside)), os.fsencode(os.path.abspath(path))
    if exchange and exchange(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0:
        return
    code = ctypes.get_errno()
    if exchange and code not in (errno.EINVAL, errno.ENOSYS):  # what a filesystem says that cannot
        raise OSError(code, os.strerror(code))
    old = aside.with_name(f"{aside.name.removesuffix(SUFFIX)}.old{SUFFIX}")
    os.replace(path, old)
    os.replace(aside, path)
    shutil.rmtree(old, ignore_errors=True)


def _clean(path: Path) -> None:
    for entry in os.scandir(path.parent):
        if entry.name.startswith(f".{path.name}.") and entry.name.endswith(SUFFIX):
            _remove_if_left(entry)


def _remove_if_left(entry: os.DirEntry) -> None:
    """Remove what a killed process left, not what another is writing: the system drops a dead process's locks.

    The lock is held while it is removed: a writer that made it a moment ago then finds it gone, and makes another.
    """
    try:
        handle = os.open(entry.path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)
    except BlockingIOError:
        pass
    finally:
        os.close(handle)


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

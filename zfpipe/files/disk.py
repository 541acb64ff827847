"""What HDF5 files are written through, so that a full disk or Ctrl-C is an error and not a crash."""

import contextlib
import ctypes
import io
import signal
import threading
from collections.abc import Iterator
from types import FrameType

AT_ONCE = 16 << 20  # bytes after which the system is asked to put them on the disk
START_WRITING = 2  # SYNC_FILE_RANGE_WRITE of Linux
POSTPONED = 0.05  # seconds


class Disk:
    """A file for HDF5 to write to that never fails under it: HDF5 crashes where a write fails while it closes a file.

    The first failure (a full disk) is kept, and raised when HDF5 is done.
    """

    def __init__(self, raw: io.FileIO):
        self._raw, self._failure, self._waiting = raw, None, 0

    def raise_failure(self) -> None:
        """Raise the first failure, if there was one."""
        if self._failure:
            raise self._failure

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as files do."""
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file, in bytes."""
        return self._raw.tell()

    def flush(self) -> None:
        """Do nothing: nothing is buffered, and whole_file syncs."""

    def readinto(self, buffer) -> int:
        """Fill the buffer; with zeros where nothing could be written."""
        view, place = memoryview(buffer).cast("B"), 0
        while place < len(view) and (count := self._raw.readinto(view[place:])):
            place += count
        view[place:] = bytes(len(view) - place)  # what could not be written
        return len(view)

    def write(self, data) -> int:
        """Write all of data, or keep the failure."""
        view, place = memoryview(data).cast("B"), 0
        with self._keeping_failure():
            while place < len(view):
                place += self._raw.write(view[place:])
            self._waiting += len(view)
            if self._waiting >= AT_ONCE:
                self._waiting = 0
                _start_writing(self._raw.fileno())
        return len(view)

    def truncate(self, size: int) -> int:
        """Cut or lengthen the file, or keep the failure."""
        with self._keeping_failure():
            self._raw.truncate(size)
        return size

    @contextlib.contextmanager
    def _keeping_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failure = self._failure or error


@contextlib.contextmanager
def interrupted_between_calls() -> Iterator[None]:
    """Postpone Ctrl-C while HDF5 is in a call of a Disk, since it crashes where that raises."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # others get no signals, and where Python raises nothing, nothing has to wait
        return
    waiting: list[threading.Timer] = []

    def handle(number: int, frame: FrameType | None) -> None:
        for timer in waiting:
            timer.cancel()
        waiting.clear()
        if _in_a_call(frame):
            waiting.append(threading.Timer(POSTPONED, signal.raise_signal, [number]))
            waiting[0].start()
        else:
            before(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if waiting:  # it came while the file was closed
            waiting.pop().cancel()
            signal.raise_signal(signal.SIGINT)


def _in_a_call(frame: FrameType | None) -> bool:
    while frame:
        if isinstance(frame.f_locals.get("self"), Disk):
            return True
        frame = frame.f_back
    return False


def _start_writing(descriptor: int) -> None:
    """Let the system write what it holds of a file, and do not wait: else all of it is written at the end, by fsync.

    Where this does not work, nothing is lost: fsync tells of every failure.
    """
    start = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if start is not None:
        start(descriptor, ctypes.c_int64(0), ctypes.c_int64(0), START_WRITING)  # from the start to the end

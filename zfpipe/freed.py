"""What becomes of memory that is freed."""

import ctypes
import sys


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed for the next map, where that is the C library.

    Otherwise it gives each large map back to the system, which then hands out new pages one fault at a time: a
    good part of a forward pass on a CPU. The peak hardly grows.
    """
    if sys.platform != "linux":
        return
    trim_threshold, mmap_max = -1, -4  # names of mallopt(3)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)

"""Work spread over threads, its results in order, with a bounded number of items in hand."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Yield function(item) for each item, in order, computed by `threads` threads.

    Threads are enough: Pillow and hashlib run free of the interpreter's lock. At most three results a
    thread wait, so that memory stays bounded.

    An exception comes out at its item's turn, so the first bad item is the one that is named.
    """
    items = iter(items)
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        waiting = deque(pool.submit(function, item) for item in islice(items, 3 * threads))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(items, 1))
    finally:
        pool.shutdown(cancel_futures=True)

"""Work spread over threads, its results in order, with a bounded number of items in hand."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, at_once: int = 1
) -> Iterator[Result]:
    """Yield function(item) for each item, in order, computed by `threads` threads.

    Threads are enough: Pillow and hashlib run free of the interpreter's lock. A thread takes `at_once` items, since
    to hand over each result by itself costs time that counts for small images. At most three such lots a thread wait,
    so that memory stays bounded.

    An exception comes out at its item's turn, so the first bad item is the one that is named.
    """
    items = iter(items)
    lots = iter(lambda: list(islice(items, at_once)), [])
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        waiting = deque(pool.submit(_done, function, lot) for lot in islice(lots, 3 * threads))
        while waiting:
            results, error = waiting.popleft().result()
            waiting.extend(pool.submit(_done, function, lot) for lot in islice(lots, 1))
            yield from results
            if error:
                raise error
    finally:
        pool.shutdown(cancel_futures=True)


def _done(function: Callable[[Item], Result], lot: list[Item]) -> tuple[list[Result], Exception | None]:
    """Return the results up to the first exception, and that."""
    results: list[Result] = []
    try:
        for item in lot:
            results.append(function(item))
    except Exception as error:
        return results, error
    return results, None

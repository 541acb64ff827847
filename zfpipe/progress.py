"""Progress on long work: a bar in a terminal, a plain line now and then in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 15.0
_speaks = [True]


def counted(count: int, what: str) -> str:
    """Say how many: '1 unit', '2 units'."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def progress(items: Iterable[Item], what: str, unit: str, total: int, per_item: int = 1) -> Iterator[Item]:
    """Yield `items`, reporting how many `unit`s are done, their rate and the time left on stderr.

    `total` counts units; each item holds `per_item` of them (the last may hold fewer).
    """
    if not _speaks[0]:
        yield from items
        return
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what, unit=unit, dynamic_ncols=True, leave=True) as bar:
            for item in items:
                yield item
                bar.update(min(per_item, total - bar.n))
        return
    started = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done = min(done + per_item, total)
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or done == total:
            last = now
            say(f"{what}: {done}/{total} {unit}, {_rate(done, total, now - started, unit)}")


def say(line: str) -> None:
    """Print one plain line on stderr, where logs are collected."""
    if _speaks[0]:
        print(line, file=sys.stderr, flush=True)


def be_quiet() -> None:
    """Say nothing more in this process: another one speaks for it."""
    _speaks[0] = False


def _rate(done: int, total: int, seconds: float, unit: str) -> str:
    rate = done / max(seconds, 1e-9)
    if done >= total:
        return f"{rate:.1f} {unit}/s, done in {seconds:.0f} s"
    return f"{rate:.1f} {unit}/s, {(total - done) / max(rate, 1e-9):.0f} s left"

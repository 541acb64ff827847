"""Images drawn at random from a data set, some of each class: to train a probe on, and to test it with.

The draws of one split are nested: the first n a class are the training images for n, whatever else is asked for, and
the test images are the same for all n. So a learning curve moves by what it adds alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from zfpipe.data.batches import Images, seed_for, shuffled
from zfpipe.errors import UserError, require_one_of

DRAWS = ("train", "all")


class Labelled(Images, Protocol):
    """Images with a class each, such as a packed split."""

    labels: np.ndarray  # (N,) places in `classes`


class Pool:
    """The two parts of a data set as one: rows count through `train`, then through `val`."""

    def __init__(self, train: Labelled, val: Labelled):
        self.parts = (train, val)
        self.size, self.channels, self.classes = val.size, val.channels, val.classes
        self.labels = np.concatenate([train.labels, val.labels])

    def __len__(self) -> int:
        return len(self.labels)

    def read_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the images at `rows`, in that order, (n, H, W, C) uint8."""
        rows, first = np.asarray(rows), len(self.parts[0])
        images = np.empty((len(rows), *self.size, self.channels), np.uint8)
        for part, offset, own in ((self.parts[0], 0, rows < first), (self.parts[1], first, rows >= first)):
            images[own] = part.read_rows(rows[own] - offset)
        return images


class Subset:
    """Some rows of images as images of their own; `split` is what progress lines call them."""

    def __init__(self, images: Labelled, rows: np.ndarray, split: str = "images"):
        self._images, self._rows, self.split = images, np.asarray(rows), split
        self.size, self.channels, self.classes = images.size, images.channels, images.classes
        self.labels = images.labels[self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return images start to stop, (n, H, W, C) uint8; stop may lie past the end."""
        return self._images.read_rows(self._rows[start:stop])

    def read_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the images at `rows` of the subset, (n, H, W, C) uint8."""
        return self._images.read_rows(self._rows[rows])


@dataclass(frozen=True)
class Drawn:
    """One split: rows of a pool. `train` is (classes, most a class), in the order of drawing; `test` is (T,)."""

    train: np.ndarray
    test: np.ndarray

    def training(self, count: int) -> np.ndarray:
        """Return the rows to train on with `count` images a class, class by class."""
        return self.train[:, :count].ravel()


def draw(pool: Pool, counts: Sequence[int], test: int | None, splits: int, seed: int, how: str) -> list[Drawn]:
    """Draw `splits` times: max(counts) images a class to train on, and up to `test` others (None: all) to test with.

    `how` is 'train' (train on images of the train part, test with those of val) or 'all' (both from both parts, as
    for Caltech-101, which has no parts). Each class's draw depends on seed, split and its own images alone.
    Raises UserError, naming class and count, where a class has too few images.
    """
    require_one_of("probe.draw", how, DRAWS)
    most, first = max(counts), len(pool.parts[0])
    of_class = [np.flatnonzero(pool.labels == number) for number in range(len(pool.classes))]
    for name, rows in zip(pool.classes, of_class, strict=True):
        _require_enough(name, int((rows < first).sum()), int((rows >= first).sum()), most, how)
    return [_split(of_class, pool.classes, first, most, test, (seed, split), how) for split in range(splits)]


def _split(of_class, names, first: int, most: int, test: int | None, seed: tuple, how: str) -> Drawn:
    train, tests = [], []
    for name, rows in zip(names, of_class, strict=True):
        rows = rows[shuffled(len(rows), seed_for(*seed, name))]
        may_train, may_test = (rows, rows[most:]) if how == "all" else (rows[rows < first], rows[rows >= first])
        train.append(may_train[:most])
        tests.append(may_test[:test])
    return Drawn(np.stack(train), np.concatenate(tests))


def _require_enough(name: str, train: int, val: int, most: int, how: str) -> None:
    asked = f"probe.images_per_class asks for {most}"
    if how == "all" and train + val < most + 1:
        raise UserError(
            f"The class {name!r} has {train + val} images and {asked}, and one to test with; ask for at most "
            f"{max(0, train + val - 1)}."
        )
    if how == "train" and train < most:
        more = f", or draw from both parts (probe.draw: all), which have {train + val}" if train + val > most else ""
        raise UserError(f"The class {name!r} has {train} training images and {asked}; ask for at most {train}{more}.")
    if how == "train" and val < 1:
        raise UserError(f"The class {name!r} has no validation image to test with; set probe.draw to all.")

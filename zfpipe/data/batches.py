"""Batches of packed images in a seeded order, from memory or straight from the packed file; their mean and spread."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from zfpipe.data.share import WHOLE, Share
from zfpipe.data.sizes import Size, fits, size_name
from zfpipe.errors import UserError

Item = TypeVar("Item")
CHUNK = 256  # images read at a time when a whole split is walked


class Images(Protocol):
    """What batches need of a packed split (`zfpipe.data.packed`)."""

    size: Size  # (height, width)
    channels: int
    classes: list[str]

    def __len__(self) -> int: ...
    def read(self, start: int, stop: int) -> np.ndarray: ...
    def read_rows(self, rows: np.ndarray) -> np.ndarray: ...


class InMemory:
    """A packed split held in memory, (N, H, W, C) uint8."""

    def __init__(self, packed: Images):
        self.size, self.channels, self.classes = packed.size, packed.channels, packed.classes
        self.images = np.empty((len(packed), *packed.size, packed.channels), np.uint8)
        for start in range(0, len(packed), CHUNK):
            self.images[start : start + CHUNK] = packed.read(start, min(start + CHUNK, len(packed)))

    def __len__(self) -> int:
        return len(self.images)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return images start..stop, (n, H, W, C) uint8."""
        return self.images[start:stop]

    def read_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of `rows`, (n, H, W, C) uint8."""
        return self.images[rows]


def in_memory_if_it_fits(packed: Images, gigabytes: float) -> Images:
    """Return the split in memory if its pixels take at most `gigabytes` (1e9 bytes), else as it is.

    One that streams from files stays as it is.
    """
    if hasattr(packed, "stream"):
        return packed
    small = len(packed) * math.prod(packed.size) * packed.channels <= gigabytes * 1e9
    return InMemory(packed) if small else packed


def check_splits(input_size: int | Size, train: Images | None, val: Images) -> None:
    """Raise UserError unless both splits hold images, at least as large as the input (pixels), of the same classes."""
    for name, split in (("training", train), ("validation", val)):
        if split is None:
            continue
        if len(split) == 0:
            raise UserError(f"The {name} split holds no images; at least one is needed.")
        if not fits(input_size, split.size):
            raise UserError(
                f"The packed {name} images are {size_name(split.size)} px and model.input_size is "
                f"{size_name(input_size)}; pack them at {size_name(input_size)} px or more, or choose a smaller input."
            )
    if train and (train.size, train.channels, train.classes) != (val.size, val.channels, val.classes):
        held = (
            f"{len(split.classes)} classes at {size_name(split.size)} px and {split.channels} channels"
            for split in (train, val)
        )
        raise UserError(
            f"The two splits do not belong together: training has {next(held)}, validation {next(held)}; "
            "pack both from one manifest at one size."
        )


def seed_for(*facts: Any) -> int:
    """Return a 63-bit seed from facts such as (seed, epoch, purpose): the same always, and unrelated between them."""
    return int.from_bytes(hashlib.sha256(repr(facts).encode()).digest()[:8]) >> 1


def shuffled(count: int, seed: int) -> np.ndarray:
    """Return 0..count-1 in an order that only `seed` decides."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator).numpy()


def batches(
    images: Images,
    labels: np.ndarray,
    order: np.ndarray,
    batch_size: int,
    device: torch.device | str = "cpu",
    share: Share = WHOLE,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images (B, C, H, W) uint8, labels (B) int64) in `order`; the last batch holds what is left.

    Of the images only those that a `share` sees are read; the labels are those of the whole batch.
    One batch is read ahead in a thread, or several by the workers of images that stream.
    """
    groups = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    read = _read(images, [group[share.seen(len(group))] for group in groups])
    both = ((pixels, labels[group]) for pixels, group in zip(read, groups, strict=True))
    made = ((to_device(pixels, device).permute(0, 3, 1, 2), to_device(numbers, device)) for pixels, numbers in both)
    # Workers read ahead by themselves, and have to be begun here: one that a pool's thread forks cannot end well.
    return made if hasattr(images, "stream") else ahead(made)


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield `items`, preparing the next one in a thread while the last one is used."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(next, iterator, end)
        while (item := pending.result()) is not end:
            pending = thread.submit(next, iterator, end)
            yield item


@contextmanager
def behind(work: Callable[..., None]) -> Iterator[Callable[..., None]]:
    """Yield a function that has `work` done in a thread, one call at a time, while the next one is prepared.

    What it raises comes out of the next call, or at the end.
    """
    with ThreadPoolExecutor(1) as thread:
        pending: list[Future] = []

        def hand_over(*arguments: Any) -> None:
            while pending:
                pending.pop().result()
            pending.append(thread.submit(work, *arguments))

        yield hand_over
        while pending:
            pending.pop().result()


def pixel_mean(images: Images) -> np.ndarray:
    """Return the mean image (C, H, W) float32 of a split, in pixel values 0..255 (paper, section 3)."""
    total = np.zeros((*images.size, images.channels), np.int64)
    for block in _blocks(images):
        total += block.sum(0, dtype=np.int64)  # integers: the same sum whatever the block
    return (total / len(images)).transpose(2, 0, 1).astype(np.float32)


def channel_mean_and_std(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel, (C, 1, 1) float32 each, in pixel values 0..255."""
    values = np.arange(256)
    counts = sum(_histogram(block) for block in _blocks(images))  # (C, 256)
    number = len(images) * math.prod(images.size)
    mean = counts @ values / number
    variance = (counts * (values - mean[:, None]) ** 2).sum(1) / number
    return mean.reshape(-1, 1, 1).astype(np.float32), np.sqrt(variance).reshape(-1, 1, 1).astype(np.float32)


def to_device(array: np.ndarray, device: torch.device | str) -> Tensor:
    """Return an array as a tensor on a device; to CUDA it goes while that computes."""
    tensor = torch.from_numpy(array)
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)  # not pinned, the copy would wait for the GPU
    return tensor.to(device)  # MPS might read the array's memory later, when others have it


def _read(images: Images, groups: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the images of each group of rows; those that stand in files of their own are decoded ahead."""
    if hasattr(images, "stream"):
        return images.stream(groups)
    return (images.read_rows(rows) for rows in groups)


def _blocks(images: Images) -> Iterator[np.ndarray]:
    starts = range(0, len(images), CHUNK)
    if hasattr(images, "stream"):
        return images.stream(np.arange(start, min(start + CHUNK, len(images))) for start in starts)
    return (images.read(start, min(start + CHUNK, len(images))) for start in starts)


def _histogram(block: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(block[..., channel].ravel(), minlength=256) for channel in range(block.shape[-1])])

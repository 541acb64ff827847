"""A split whose images are read from their own files, anew in each epoch: for sets too large to pack or to hold.

Of an image some hundred bytes are held: its path in one buffer, its class, its file's digest. Worker processes decode
batches ahead; they share these with this process and copy nothing. Pixels are those of the packed split.
"""

import contextlib
import hashlib
import json
import sys
import warnings
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from zfpipe.data.checked_image import packed_image
from zfpipe.data.manifest import each_row
from zfpipe.data.sizes import Size, pair
from zfpipe.errors import UserError

DIGEST = 32  # bytes of a SHA-256
# How many workers there are is the config's to say. Here, since batches are read in a thread, where no filter holds.
warnings.filterwarnings("ignore", "This DataLoader will create")


class Streamed:
    """The split 'train' of a manifest, with what `zfpipe.data.packed.Packed` has; row i is image_index i.

    Images come as (*size, channels) uint8. Raises UserError for a manifest that is not whole.
    """

    def __init__(self, manifest: Path, root: Path, size: int | Size, channels: int, workers: int):
        self.size, self.channels, self._workers = pair(size), channels, workers
        self._files = _Files(root, self.size, channels)
        seen: dict[str, int] = {}
        labels, name = array("q"), hashlib.sha256()
        for row in each_row(manifest):
            label = seen.setdefault(row.class_name, len(seen))  # the classes are those of both splits
            if row.split == "train":
                self._files.add(row.path, row.sha256)
                labels.append(label)
                name.update(json.dumps([row.image_index, row.path, row.class_name, row.sha256]).encode() + b"\n")
        self._files.close()
        self.classes = sorted(seen)
        places = np.array([self.classes.index(name) for name in seen] or [0], np.int64)
        self.labels: np.ndarray = places[np.frombuffer(labels, np.int64)]
        self.manifest_sha256 = name.hexdigest()

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return images start to stop, (n, H, W, C) uint8; stop may lie past the end."""
        return self.read_rows(np.arange(start, min(stop, len(self))))

    def read_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of `rows`, (n, H, W, C) uint8, decoded here and now."""
        return _pixels(self._files.__getitems__(rows))

    def stream(self, groups: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the images of each group of rows, (n, H, W, C) uint8, decoded ahead by the workers.

        Raises UserError, naming the file, for an image that is missing, changed or damaged.
        """
        workers = {"num_workers": self._workers, "prefetch_factor": 2} if self._workers else {}
        if workers and sys.platform == "linux":  # forked, they share the paths; a spawned process would spawn them
            workers["multiprocessing_context"] = "fork"
        own = torch.Generator()  # it draws a seed for the workers; of torch's own generator, dropout would notice
        loader = DataLoader(self._files, batch_sampler=groups, collate_fn=_as_they_are, generator=own, **workers)
        with watched():
            for images in loader:
                yield _pixels(images)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Raise UserError where a worker was killed: PyTorch tells of it in the middle of whatever is being done."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise UserError(
            "A process that decodes training images was ended (for want of memory, if nobody did it); the same "
            "command goes on from the newest epoch, and fewer train.workers need less memory."
        ) from error


class _Files:
    """Paths and digests in two buffers; what a worker gets of the split."""

    def __init__(self, root: Path, size: Size, channels: int):
        self.root, self.size, self.channels = root, size, channels
        self.paths, self.digests, self.ends = bytearray(), bytearray(), array("q", [0])

    def add(self, path: str, sha256: str) -> None:
        self.paths += path.encode()
        self.digests += bytes.fromhex(sha256)
        self.ends.append(len(self.paths))

    def close(self) -> None:
        """Take the buffers as arrays, which processes share as long as nobody writes."""
        self.paths, self.digests = np.frombuffer(self.paths, np.uint8), np.frombuffer(self.digests, np.uint8)
        self.ends = np.frombuffer(self.ends, np.int64)

    def __getitems__(self, rows: np.ndarray) -> Tensor | str:
        """Return images (n, H, W, C) uint8, or what is wrong with one: a worker's exception would bring its trace."""
        images = torch.empty(len(rows), *self.size, self.channels, dtype=torch.uint8)
        if get_worker_info():  # PyTorch would move it there later, and keep the memory of the last 128 that it moved
            images.share_memory_()
        pixels = images.numpy()
        try:
            for place, row in enumerate(rows):
                path = self.root / self.paths[self.ends[row] : self.ends[row + 1]].tobytes().decode()
                digest = self.digests[DIGEST * row : DIGEST * (row + 1)].tobytes().hex()
                pixels[place] = packed_image(path, digest, self.size, self.channels)
        except UserError as error:
            return str(error)
        return images


def _as_they_are(images: Tensor | str) -> Tensor | str:
    return images


def _pixels(images: Tensor | str) -> np.ndarray:
    if isinstance(images, str):
        raise UserError(images)
    return images.numpy()

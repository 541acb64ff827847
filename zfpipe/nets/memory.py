"""Batches that memory holds: when a GPU has no room for one, it is halved and run again.

For stages whose answer does not depend on the batch. Training's does, so it stops instead and says so.
"""

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from zfpipe.errors import UserError, out_of_memory
from zfpipe.progress import say

Answer = TypeVar("Answer")


class Fitting:
    """A batch size that becomes half as large each time a GPU runs out of memory, and stays so."""

    def __init__(self, what: str, size: int):
        self.what, self.size = what, size

    def whole(self, run: Callable[[int], Answer]) -> Answer:
        """Return run(size), begun anew with half the size as often as needed.

        Raises UserError if not even a batch of one fits.
        """
        while True:
            try:
                return run(self.size)
            except RuntimeError as error:
                self._require_gpu(error)
            self._halve()

    def each(self, run: Callable[[Sequence], None], batch: Sequence) -> None:
        """Run a batch in parts of at most `size`, those that did not fit again in halves.

        Raises UserError if not even a batch of one fits.
        """
        done = 0
        while done < len(batch):
            part = batch[done : done + self.size]
            try:
                run(part)
                done += len(part)
                continue
            except RuntimeError as error:
                self._require_gpu(error)
            self.size = len(part)
            self._halve()

    def _require_gpu(self, error: RuntimeError) -> None:
        if out_of_memory(error) != "GPU":
            raise error

    def _halve(self) -> None:
        """Begun outside of `except`: there the error would still hold the tensors that filled the memory."""
        if self.size == 1:
            raise UserError(
                f"{self.what}: the GPU has no memory for a batch of one; take one with more memory, or device: cpu."
            )
        self.size //= 2
        say(f"{self.what}: the GPU is out of memory; on with batches of {self.size}.")
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

"""One process's share of every batch, where several train together."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Share:
    """Share `rank`, counted from 0, `of` so many. The default is the whole."""

    rank: int = 0
    of: int = 1

    def rows(self, count: int) -> np.ndarray:
        """Return the places of a batch of `count` that are this share's: every `of`-th. Where none is left, none."""
        return np.arange(self.rank, count, self.of)

    def seen(self, count: int) -> np.ndarray:
        """Return the places that this share looks at: its own or, where none is left, the first, which counts nothing.

        A network has to see an image in each step, and so has every process.
        """
        rows = self.rows(count)
        return rows if len(rows) else np.zeros(1, np.int64)


WHOLE = Share()

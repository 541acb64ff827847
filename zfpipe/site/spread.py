"""How strongly all images excite each unit, as the page draws it."""

from typing import Any

import numpy as np

from zfpipe.files.histogram import EDGES


def spread(histogram: np.ndarray | None) -> dict[str, Any] | None:
    """Return what the page knows of the histograms (U, BINS) of a layer's units; None where a file lacks them.

    `edges` of the bins that any unit uses; for each unit its `counts`, up to its last bin that is not empty, and
    `silent`: the images that do not excite it.
    """
    if histogram is None:
        return None
    silent, counts = histogram[:, 0], histogram[:, 1:]
    used = np.flatnonzero(counts.any(axis=0))
    first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
    return {
        "edges": EDGES[first : last + 1].tolist(),
        "counts": [np.trim_zeros(row, "b").tolist() for row in counts[:, first:last]],
        "silent": silent.tolist(),
    }

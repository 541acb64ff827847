"""zfpipe: the deconvnet of Zeiler & Fergus (2013) as a batch pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from zfpipe.reading import Results

__version__ = "0.1.0"


def open(results: str | Path = "results") -> Results:
    """Open a results folder for reading: `zfpipe.open("results")["zfnet"]["conv3"][17].show()`.

    See `zfpipe.reading` for what runs, layers and units tell. Raises UserError where there are no results.
    """
    from zfpipe.reading import open_results  # here, since the stages do without

    return open_results(results)

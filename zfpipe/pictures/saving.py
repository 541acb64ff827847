"""A matplotlib figure to a file, whole."""

import io
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from zfpipe.files.whole import write_bytes


def save_figure(path: str | Path, figure: Figure, kind: str, **settings: Any) -> None:
    """Save a figure whole as `kind` ('png', 'pdf'). Raises UserError, naming the file, if it cannot be written.

    It is drawn in memory first: where a write fails, matplotlib stumbles over itself and hides the cause.
    """
    data = io.BytesIO()
    figure.savefig(data, format=kind, **settings)
    write_bytes(path, data.getvalue())

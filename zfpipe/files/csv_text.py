"""Rows as the text of a CSV file: the same on every machine."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows, the header first, as CSV with plain line ends."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def cells(row: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    """Return a row's values in the order of `columns`: fractions to six digits, what is None or absent empty."""
    values = (row.get(column) for column in columns)
    return ["" if each is None else f"{each:.6g}" if isinstance(each, float) else each for each in values]

"""Checksums in tables and JSON files that people read with other tools: a last column, a last key."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from zfpipe.errors import UserError

COLUMN, END, KEY = "sum", "end", "sha256"
SUMS = (COLUMN, END)  # what the column may be called


def table_with_sums(text: str) -> str:
    """Return a CSV with one column more: of each line a digest of all text so far; the last line's is that of an end.

    So a changed digit, a lost line and a lost end are all found. The column is called `sum`, or `end` where no line is.
    """
    lines = text.splitlines()
    return "".join(f"{line},{total}\n" for line, total in zip(lines, _sums(lines), strict=True))


def read_table(path: str | Path) -> list[dict[str, str]]:
    """Return the rows of what `table_with_sums` made, without the sums. Raises UserError, naming file and line."""
    try:
        text = Path(path).read_bytes().decode()
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}; the stage that makes it did not run.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read {path} ({error}); delete it and run again to rebuild it.") from error
    cut = [line.rpartition(",") for line in text.splitlines()]
    right = _sums([line for line, _, _ in cut])
    for number, ((_, _, found), total) in enumerate(zip(cut, right, strict=True), 1):
        if found != total:
            raise UserError(
                f"{path} is damaged: line {number} does not end with its checksum; delete it and run again."
            )
    if not text.endswith("\n"):
        raise UserError(f"{path} is damaged: its end is missing; delete it and run again.")
    return list(csv.DictReader(io.StringIO("\n".join(line for line, _, _ in cut))))


def json_with_sum(facts: dict[str, Any]) -> str:
    """Return facts as JSON text, the SHA-256 of the text without it as the last key."""
    return json.dumps(facts | {KEY: _json_sum(facts)}, indent=1) + "\n"


def read_json(path: str | Path) -> dict[str, Any]:
    """Return what `json_with_sum` was given. Raises UserError, naming the file, if anything in it was changed."""
    try:
        facts = json.loads(Path(path).read_bytes().decode())
        good = facts.pop(KEY) == _json_sum(facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not whole ({error}); delete it and run again to rebuild it.") from error
    if not good:
        raise UserError(f"{path}: {KEY} is not that of what is in the file; delete it and run again to rebuild it.")
    return facts


def _sums(lines: list[str]) -> list[str]:
    digest, sums = hashlib.sha256(), []
    for number, line in enumerate(lines, 1):
        digest.update(f"{line}\n".encode())
        if number == len(lines):
            digest.update(END.encode())
        sums.append(digest.hexdigest()[:8] if number > 1 else COLUMN if len(lines) > 1 else END)
    return sums


def _json_sum(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, indent=1).encode()).hexdigest()

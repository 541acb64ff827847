"""Weights on disk: the only torch.save and torch.load. Loading never runs code from the file."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from zfpipe.errors import UserError
from zfpipe.files.digest import sha256_value
from zfpipe.files.whole import write_bytes

VERSIONS = {"model": 1, "checkpoint": 1}
# Other people's training scripts keep their weights under one of these.
STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model", "net")


def save(path: str | Path, kind: str, content: dict[str, Any]) -> None:
    """Write `content` (plain values and tensors) whole, with its kind, format version and digest.

    The same content gives the same bytes.
    """
    record = {"kind": kind, "format_version": VERSIONS[kind], "digest": sha256_value(content), "content": content}
    buffer = io.BytesIO()  # a buffer, since torch.save writes a file's own name into it
    torch.save(record, buffer)
    write_bytes(path, buffer.getvalue())


def load(path: str | Path, kind: str) -> dict[str, Any]:
    """Read what `save` wrote.

    Raises UserError, naming the file, if it is missing, damaged, of another kind or of an unknown version.
    """
    record = _load(path)
    if not isinstance(record, dict) or record.get("kind") != kind:
        found = record.get("kind") if isinstance(record, dict) else type(record).__name__
        raise UserError(f"{path} holds {found!r}, where a zfpipe file of kind {kind!r} is needed.")
    if record.get("format_version") != VERSIONS[kind]:
        raise UserError(
            f"{path} has format version {record.get('format_version')} of {kind!r}; "
            f"this zfpipe reads version {VERSIONS[kind]}."
        )
    if not _is_whole(record):
        raise UserError(f"{path} is damaged: its content does not match its digest; delete it and run again.")
    return record["content"]


def load_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a state_dict: bare, in a zfpipe model file, or in a training checkpoint under one of the usual keys.

    A `module.` prefix (left by DataParallel) is taken off.
    Raises UserError if there is no state_dict in the file.
    """
    found = _load(path)
    if isinstance(found, dict) and found.get("kind") == "model":
        found = load(path, "model")
    if isinstance(found, dict):
        found = next((found[key] for key in STATE_DICT_KEYS if isinstance(found.get(key), dict)), found)
    if not (isinstance(found, dict) and found and all(isinstance(value, torch.Tensor) for value in found.values())):
        raise UserError(f"{path} holds no state_dict; write one with torch.save(network.state_dict(), path).")
    if all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): value for name, value in found.items()}
    return found


def _is_whole(record: dict[str, Any]) -> bool:
    try:
        return sha256_value(record["content"]) == record["digest"]
    except (KeyError, TypeError):  # the damage is in the names or types
        return False


def _load(path: str | Path) -> Any:
    if not Path(path).exists():
        raise UserError(f"There is no weights file {path}.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than weights (a pickled model or other objects), or is damaged, and is not loaded; "
            "write torch.save(network.state_dict(), path) instead."
        ) from error
    except Exception as error:  # of many kinds: any byte of the file may be the damaged one
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} is not a whole PyTorch file ({cause}).") from error

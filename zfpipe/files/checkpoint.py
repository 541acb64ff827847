"""Weights on disk: the only torch.save and torch.load. Loading never runs code from the file."""

import argparse
import io
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file

from zfpipe.errors import UserError
from zfpipe.files.digest import sha256_value
from zfpipe.files.whole import write_bytes

VERSIONS = {"model": 1, "checkpoint": 1}
# Other people's training scripts keep their weights under one of these, or one of these below another.
STATE_DICT_KEYS = (
    *("state_dict", "model_state_dict", "model", "net", "network"),
    *("module", "weights", "params", "state", "checkpoint"),
)
# The settings that timm and many a script keep beside the weights: plain values, no code.
torch.serialization.add_safe_globals([argparse.Namespace])


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
    """Read a state_dict: bare, safetensors, a zfpipe model file, or in a training checkpoint under a usual key.

    Names stay as they are in the file, but for a `module.` (left by DataParallel) before all of them.
    Raises UserError if there is no state_dict in the file.
    """
    if _is_safetensors(path):
        return _load_safetensors(path)
    found = _load(path)
    if isinstance(found, dict) and found.get("kind") == "model":
        found = load(path, "model")
    weights = _find_state_dict(found)
    if weights is None:
        keys = f" (a dict of {', '.join(map(str, list(found)[:6]))})" if isinstance(found, dict) and found else ""
        raise UserError(f"{path} holds no state_dict{keys}; write one with torch.save(network.state_dict(), path).")
    if all(name.startswith("module.") for name in weights):
        weights = {name.removeprefix("module."): value for name, value in weights.items()}
    return weights


def _find_state_dict(found: Any, deeper: int = 2) -> dict[str, torch.Tensor] | None:
    """Return the state_dict that is `found`, or stands in it under a usual key, at most `deeper` keys down."""
    if not isinstance(found, dict) or not found:
        return None
    if all(isinstance(value, torch.Tensor) for value in found.values()):
        return found
    below = [found[key] for key in STATE_DICT_KEYS if isinstance(found.get(key), dict)] if deeper else []
    shallow = (_find_state_dict(part, 0) for part in below)  # a near one comes before a deep one
    deep = (_find_state_dict(part, deeper - 1) for part in below)
    return next((weights for weights in (*shallow, *deep) if weights is not None), None)


def _is_safetensors(path: str | Path) -> bool:
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError:
        return False
    return Path(path).suffix == ".safetensors" or start[8:] == b"{"  # 8 bytes of length, then JSON


def _load_safetensors(path: str | Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} is not a whole safetensors file ({str(error).splitlines()[0]}).") from error


def _is_torchscript(path: str | Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _is_whole(record: dict[str, Any]) -> bool:
    try:
        return sha256_value(record["content"]) == record["digest"]
    except (KeyError, TypeError):  # the damage is in the names or types
        return False


def _load(path: str | Path) -> Any:
    if not Path(path).exists():
        raise UserError(f"There is no weights file {path}.")
    try:
        if _is_torchscript(path):
            raise UserError(
                f"{path} is a TorchScript archive, which is a program, and is not loaded; if you trust it, write its "
                "weights with torch.save(torch.jit.load(path).state_dict(), 'weights.pt') and give those."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of a damaged byte; we say what is to be done
            return torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than weights (a pickled model or other objects), or is damaged, and is not loaded; "
            "where you made it, write torch.save(network.state_dict(), path) instead."
        ) from error
    except Exception as error:  # of many kinds: any byte of the file may be the damaged one
        raise UserError(
            f"{path} is empty, cut short, or no file of PyTorch's; make or fetch it again (if zfpipe made it, "
            "delete it and run again)."
        ) from error

"""What a model file may say of itself: nothing that would run code nobody asked for, and nothing that cannot be."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import torch

from zfpipe.data.sizes import fits, pair
from zfpipe.errors import UserError
from zfpipe.nets.yours import is_yours

ALLOWED = "ZFPIPE_NETWORKS"  # names of networks, module:function, separated by commas; the Snakefile sets it
LARGEST = 1 << 20  # pixels along a side: more is no image


def require_trusted(spec: dict[str, Any], path: str | Path) -> None:
    """Raise UserError if a model file names code that is neither in the working folder nor allowed by its user.

    A model file says which function makes its network, and with what arguments; a hostile one might name any function
    of any package. In the working folder stands the user's own code; what else may run is named in ZFPIPE_NETWORKS.
    """
    name = spec["name"]
    if not is_yours(name) or name in os.environ.get(ALLOWED, "").split(",") or _is_here(name):
        return
    raise UserError(
        f"{path} names the network {name}, which is code outside {Path.cwd()}, and does not run it; "
        f"if you trust the file and that code, set {ALLOWED}={name} in the environment and run again."
    )


def require_content(content: dict[str, Any], path: str | Path) -> None:
    """Raise UserError, naming file and key, unless a model file's content is of the types and sizes it has to be."""
    wrong = next((key for key, good in _CONTENT.items() if not _holds(good, content, key)), None)
    if wrong:
        raise UserError(f"{path}: {wrong} is missing or is not what a model file holds; run the stage train again.")
    if not fits(content["spec"]["input_size"], pair(content["packed_size"])):
        raise UserError(f"{path}: input_size is larger than packed_size, from which it is cut; run train again.")


def _is_here(name: str) -> bool:
    """Whether a module stands in the working folder: found by its first name, so that nothing is imported."""
    top, here = name.partition(":")[0].split(".")[0], Path.cwd()
    if "site-packages" in here.parts:
        return False
    own = any(path.is_file() for path in (here / f"{top}.py", here / top / "__init__.py")) or (here / top).is_dir()
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    places = [found.origin] if found and found.origin else list(found.submodule_search_locations or ()) if found else []
    elsewhere = any(not Path(place).resolve().is_relative_to(here.resolve()) for place in places)
    return own and not elsewhere


def _holds(good, content: dict[str, Any], key: str) -> bool:
    try:
        return bool(good(content[key]))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return False


def _is_size(value: Any) -> bool:
    sides = [value] if isinstance(value, int) else value
    return len(sides) in (1, 2) and all(isinstance(side, int) and 0 < side < LARGEST for side in sides)


def _is_spec(spec: Any) -> bool:
    channels = spec.get("channels", 3)
    named = isinstance(spec["name"], str) and isinstance(channels, int) and 0 < channels < LARGEST
    return named and _is_size(spec["input_size"])


def _is_pixels(values: Any) -> bool:
    return isinstance(values, torch.Tensor) and values.dtype == torch.float32 and values.dim() == 3


_CONTENT = {
    "spec": _is_spec,
    "classes": lambda names: isinstance(names, list) and all(isinstance(name, str) for name in names),
    "mean": _is_pixels,
    "std": _is_pixels,
    "packed_size": _is_size,
    "state_dict": lambda found: all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in found.items()
    ),
}

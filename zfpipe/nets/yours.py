"""A network of your own: imported by the name `module:attribute`, called with its arguments, noticed when edited."""

import ast
import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zfpipe.errors import UserError, nearest
from zfpipe.files.code import plain_code


def is_yours(name: str) -> bool:
    """Whether a model's name is `module:attribute`, and no network of torchvision's."""
    return ":" in name and not name.startswith("torchvision:")


def build_yours(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Return what the function or class `module:attribute` makes of `arguments`. This runs its code.

    Raises UserError if it is not there, raises by itself, or makes no network.
    """
    factory = _find(name)
    try:
        network = factory(**arguments)
    except Exception as error:  # anyone's code
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise UserError(f"model.name: {name}({given}) raised {_said(error)}.") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"model.name: {name} returned a {type(network).__name__}; it has to return a torch.nn.Module.")
    return network


def code_of(name: str) -> str:
    """Return the SHA-256 of the source of a network's module, and of the modules beside it that it imports.

    Comments, docstrings and layout do not count. Modules of other packages do not either.
    """
    digest = hashlib.sha256()
    for module, path in sorted(_sources(name.partition(":")[0]).items()):
        digest.update(f"{module} {plain_code(path)}\n".encode())
    return digest.hexdigest()


@torch.no_grad()
def outputs_of(network: nn.Module, channels: int, input_size: tuple[int, int]) -> int | None:
    """Return how many outputs a network has for an image, by running it; None where it gives no (B, outputs).

    Raises UserError if it does not take images of that size.
    """
    was_training = network.training
    parameter = next(network.parameters(), torch.zeros(()))
    if parameter.is_meta:
        parameter = torch.zeros(())
    image = torch.zeros(1, channels, *input_size, dtype=parameter.dtype, device=parameter.device)
    try:
        found = network.eval()(image)
    except Exception as error:
        height, width = input_size
        raise UserError(
            f"The network {type(network).__name__} does not take a {height}x{width} image of {channels} "
            f"channel{'s' if channels > 1 else ''}: {_said(error)}."
        ) from error
    finally:
        network.train(was_training)
    found = getattr(found, "logits", found)
    return found.shape[1] if isinstance(found, torch.Tensor) and found.dim() == 2 else None


def _find(name: str):
    module_name, _, attribute = name.partition(":")
    module = _import(name, module_name)
    if not hasattr(module, attribute):
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(
            f"model.name is {name!r}, and {module_name} has no {attribute!r}{nearest(attribute, public)}; it has "
            f"{', '.join(public[:8]) or 'nothing to call'}."
        )
    factory = getattr(module, attribute)
    if not callable(factory):
        raise UserError(
            f"model.name is {name!r}, which is a {type(factory).__name__}; it has to be a function or class."
        )
    return factory


def _import(name: str, module: str):
    _look_here(module)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise UserError(
                f"model.name is {name!r}, and there is no module {error.name!r}"
                f"{nearest(error.name, _modules(module))}; "
                f"it has to be installed, or to stand beside your config, in {Path.cwd()}."
            ) from error
        raise UserError(f"model.name: importing {module} raised {_said(error)}.") from error
    except Exception as error:  # anyone's code
        raise UserError(f"model.name: importing {module} raised {_said(error)}.") from error


def _look_here(module: str) -> None:
    """Let a module in the working directory be imported; without one of that name, what is installed comes first."""
    top, here = module.split(".")[0], str(Path.cwd())
    if here not in sys.path and ((Path(here) / f"{top}.py").is_file() or (Path(here) / top).is_dir()):
        sys.path.insert(0, here)
        importlib.invalidate_caches()


def _modules(module: str) -> list[str]:
    """Names that `module` may have been meant to be."""
    parent, _, _ = module.rpartition(".")
    try:
        where = list(importlib.import_module(parent).__path__) if parent else None
    except Exception:
        where = None
    start = f"{parent}." if where else ""
    here = [path.stem for path in Path.cwd().glob("*.py")] if not where else []
    return here + [start + found.name for found in pkgutil.iter_modules(where)]


def _sources(module: str) -> dict[str, Path]:
    """Return the source files that a module is made of: its own, and those it imports from the same place."""
    _look_here(module)
    found: dict[str, Path] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        path = _source(name)
        if path is None or name in found or not _together(module, path):
            continue
        found[name] = path
        todo += _imported(name, path)
    return found


def _source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):  # not a module, but something inside one
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _together(module: str, path: Path) -> bool:
    """Whether a file belongs to the same package as `module`, or stands with it in the working directory."""
    spec = importlib.util.find_spec(module.split(".")[0])
    if spec is None or not spec.origin:  # a folder without __init__.py
        roots = [Path(root) for root in (spec.submodule_search_locations if spec else ())]
    elif Path(spec.origin).name == "__init__.py":
        roots = [Path(spec.origin).parent]
    else:
        roots = [Path(spec.origin)]
    if any(root.is_relative_to(Path.cwd()) and "site-packages" not in root.parts for root in roots):
        return path.is_relative_to(Path.cwd()) and "site-packages" not in path.parts
    return any(path == root or path.is_relative_to(root) for root in roots)


def _imported(module: str, path: Path) -> list[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1]]) if node.level else ""
            base = ".".join(filter(None, [base, node.module]))
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return [name for name in names if name]


def _said(error: Exception) -> str:
    text = (str(error).strip() or "nothing more").splitlines()[0].rstrip(".")
    return f"{type(error).__name__}: {text}"

"""What a stage's code is, as a digest: two versions that differ only in comments or layout have the same one."""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = "zfpipe"
DATA = (".mplstyle", ".j2", ".css", ".js")  # style sheets, templates and scripts decide results too
ROOT = Path(__file__).resolve().parents[1]
# Command-line and progress output decide no result, so a change there reruns nothing.
IGNORED = frozenset({f"{PACKAGE}.progress", f"{PACKAGE}.errors"})


def code_sha256(module: str, without: Iterable[str] = ()) -> str:
    """Return the digest of a module ('zfpipe.stages.mine') and of every zfpipe module and data file that it uses.

    It is taken over the syntax tree without docstrings, so neither comments nor prose nor layout count.
    `without` names packages or modules that do not count either, nor does what only they use.
    """
    digest = hashlib.sha256()
    for name in sorted(_reached(module, IGNORED | set(without))):
        digest.update(f"{name} {_module_sha256(name)}\n".encode())
    return digest.hexdigest()


def _reached(module: str, ignored: set[str]) -> set[str]:
    found, todo = set(), [module]
    while todo:
        name = todo.pop()
        parents = {name.rsplit(".", back)[0] for back in range(name.count(".") + 1)}
        if name not in found and not parents & ignored:
            found.add(name)
            todo += _imports(name)
    return found


def plain_code(path: Path) -> str:
    """Return a Python file's syntax tree as text, without docstrings: what a comment or the layout does not change."""
    return ast.dump(_without_docstrings(ast.parse(path.read_text("utf-8"))))


@functools.cache
def _imports(module: str) -> tuple[str, ...]:
    imported = []
    for node in _statements(_tree(module)):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from zfpipe.files import hdf5` names a module, `from zfpipe.errors import UserError` does not
            imported += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in imported if name.split(".")[0] == PACKAGE and _path(name))


@functools.cache
def _module_sha256(module: str) -> str:
    path = _path(module)
    digest = hashlib.sha256(ast.dump(_without_docstrings(_tree(module))).encode())
    if path.name != "__init__.py":  # a style sheet or template beside `grids.py` belongs to its room's modules
        for beside in _named_beside(path):
            digest.update(beside.read_bytes())
    return digest.hexdigest()


def _named_beside(path: Path) -> list[Path]:
    """Return the data files beside a file that it names, and those that these name (a template includes another)."""
    found, todo = set(), [path]
    while todo:
        text = todo.pop().read_text("utf-8")
        named = {other for other in path.parent.iterdir() if other.suffix in DATA and other.name in text}
        todo += named - found
        found |= named
    return sorted(found)


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text())


@functools.cache
def _path(module: str) -> Path | None:
    stem = ROOT.joinpath(*module.split(".")[1:])
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists()), None)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in _statements(tree):
        if (
            isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return tree


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and the statements in it, at any depth: a tenth of what `ast.walk` goes through."""
    yield node
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(node, part, ()):
            yield from _statements(statement)

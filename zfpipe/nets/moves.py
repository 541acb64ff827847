"""Where an operation that only moves values moves an image axis: found by running it on labelled positions.

So a channel shuffle, a slice, a transpose or a concatenation of whatever arguments keeps its place on the grid if it
can, and no list of special cases is needed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, fx

from zfpipe.nets.trace import Step, Traced

OF_SIZES = ("view", "reshape", "unflatten", "Unflatten")


@dataclass(frozen=True)
class Line:
    """Dimension `dim` of the output holds positions before, before + every, ... of an axis; `behind` are left over."""

    dim: int
    before: int
    every: int
    behind: int


def moved(traced: Traced, step: Step, dims: list[int], shapes: dict[fx.Node, tuple[int, ...]]) -> Line | None:
    """Return where the axis that lies along `dims` of the step's inputs is in its output, or None if it is nowhere."""
    lengths = {shapes[source][dim - 1] for source, dim in zip(step.sources, dims, strict=True)}
    if len(lengths) != 1 or lengths == {1}:
        return None
    (length,) = lengths
    labels, ones = {}, {}
    for source, dim in zip(step.sources, dims, strict=True):
        ones[source] = torch.ones(1, *shapes[source])
        line = torch.arange(length, dtype=torch.float32).view(-1, *[1] * (len(shapes[source]) - dim))
        labels[source] = line.expand(1, *shapes[source])
    for node in step.node.all_input_nodes:
        if node not in step.sources:
            value = traced.facts[node]
            if isinstance(value, Tensor) and value.is_floating_point():
                if node.op == "get_attr" or value.is_meta or (value != value.flatten()[0]).any():
                    return None  # a constant that is made for the full map
                value = torch.full(value.shape, torch.nan)
            labels[node] = ones[node] = value
    found = step.run(labels) / step.run(ones)
    line = _line(found, length)
    return None if line and _is_fixed(step, line.dim, found.dim()) else line


def _line(labels: Tensor, length: int) -> Line | None:
    """Find the dimension along which labels rise evenly, and no other changes them; nan is a constant's."""
    for dim in range(1, labels.dim()):
        line = labels.movedim(dim, 0).flatten(1).nan_to_num(-1).amax(1) if labels.isnan().any() else _first(labels, dim)
        if len(line) < 2 or not line[0] < line[1]:
            continue
        first, every, last = int(line[0]), int(line[1] - line[0]), int(line[-1])
        even = first + every * torch.arange(len(line), dtype=labels.dtype)
        expected = even.view(-1, *[1] * (labels.dim() - 1 - dim))
        if every > 0 and bool(((labels == expected) | labels.isnan()).all()):
            return Line(dim, first, every, length - 1 - last)
    return None


def _first(labels: Tensor, dim: int) -> Tensor:
    return labels[tuple(slice(None) if number == dim else 0 for number in range(labels.dim()))]


def _is_fixed(step: Step, dim: int, dims: int) -> bool:
    """Whether a view gives the axis's length as a number, so that it would not take another map's."""
    if step.label not in OF_SIZES:
        return False
    sizes = step.node.args[1:]
    sizes = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    return len(sizes) != dims or (isinstance(sizes[dim], int) and sizes[dim] != -1)

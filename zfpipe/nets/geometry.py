"""What each position of each map sees: the receptive fields of a traced network, found by the reach of its rules."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zfpipe.nets.axis import Axis, Field, span, whole
from zfpipe.nets.moves import Line, moved
from zfpipe.nets.rules import RULES
from zfpipe.nets.trace import Step, Traced


@dataclass(frozen=True)
class Place:
    """An image axis in a map: its receptive field, and the dimension of the tensor along which it lies.

    The dimension is None where the map has no such axis (after flattening). It then sees the whole image.
    """

    axis: Axis
    dim: int | None


def fields(traced: Traced) -> dict[str, Field]:
    """Return the receptive field of every step that depends on the image, by name."""
    return {name: Field(*(place.axis for place in pair)) for name, pair in places(traced).items()}


def places(traced: Traced) -> dict[str, tuple[Place, Place]]:
    """Return where rows and columns of the image lie in every step's map, and what its positions see."""
    known = {
        traced.input_node: tuple(Place(Axis(1, 1, 0, length), 2 + n) for n, length in enumerate(traced.input_size))
    }
    shapes = {traced.input_node: (traced.channels, *traced.input_size)}
    found = {}
    for step in traced.steps:
        if step.sources:
            below = [known[source] for source in step.sources]
            known[step.node] = tuple(_place(traced, step, n, [pair[n] for pair in below], shapes) for n in (0, 1))
            shapes[step.node] = step.shape
            found[step.name] = known[step.node]
    return found


def _place(traced: Traced, step: Step, number: int, below: list[Place], shapes: dict) -> Place:
    """Return the place of image axis `number` in a step's map, given that in its inputs."""
    dims = 1 + len(step.shape or ())
    lost = Place(whole(traced.input_size[number]), 2 + number if dims == 4 else None)
    reach = RULES[step.operation].reach if step.operation in RULES else "unknown"
    if reach in ("whole", "unknown") or step.shape is None or any(place.dim is None for place in below):
        return lost
    merged = span([place.axis for place in below])
    if reach == "moves" and merged != lost.axis:
        line = moved(traced, step, [place.dim for place in below], shapes)
        return Place(_taken(merged, line), line.dim) if line else lost
    if reach == "moves":
        return lost
    lengths = {shapes[source][place.dim - 1] for source, place in zip(step.sources, below, strict=True)}
    dim = below[0].dim
    if len(lengths) > 1 or len({place.dim for place in below}) > 1 or len(shapes[step.sources[0]]) + 1 != dims:
        return lost
    if _varies(traced, step, dims - dim):
        return lost
    if reach == "last":
        return lost if dim == dims - 1 else Place(merged, dim)
    if reach == "point" or merged == lost.axis:
        return Place(merged, dim)
    settings = step.settings(traced.facts)
    if reach == "border":
        return _bordered(merged, settings, dims, dim) or lost
    return Place(_windowed(merged, settings, dim - 2), dim) if dim >= 2 and dims == 4 else lost


def _windowed(below: Axis, settings: dict, which: int) -> Axis:
    """The field above a kernel; `which` of its two lengths counts on this axis."""
    kernel = _pair(settings["kernel_size"] if "kernel_size" in settings else settings["weight"].shape[2:])[which]
    stride = _pair(settings.get("stride") or kernel)[which]
    extent = _pair(settings.get("dilation", 1))[which] * (kernel - 1)
    padding = settings.get("padding", 0)
    before = extent // 2 if padding == "same" else 0 if padding == "valid" else _pair(padding)[which]
    if before and settings.get("padding_mode", "zeros") != "zeros":  # its border is a copy of pixels further in
        return whole(below.image)
    return Axis(below.size + extent * below.jump, below.jump * stride, below.start - before * below.jump, below.image)


def _bordered(below: Axis, settings: dict, dims: int, dim: int) -> Place | None:
    """The field on a map with constants around it. A border that copies pixels from further in reaches anywhere."""
    border = settings.get("pad", settings.get("padding"))
    copies = settings.get("mode", "constant") != "constant" or ("value" not in settings and "pad" in settings)
    if copies or (len(border) != 4 and "pad" not in settings):
        return None
    at = 2 * (dims - 1 - dim)
    before, after = border[at : at + 2] if at < len(border) else (0, 0)
    cut = max(0, -before) + max(0, -after)  # a negative border cuts
    return Place(
        replace(below, size=below.size + cut * below.jump, start=below.start - max(0, before) * below.jump), dim
    )


def _taken(below: Axis, line: Line) -> Axis:
    """The field of positions first, first + every, ... of a map.

    What is cut off before or behind counts as seen, so that a window holds it as well, to be cut off there too.
    """
    cut = line.before + line.behind - line.behind % line.every
    return replace(below, size=below.size + cut * below.jump, jump=below.jump * line.every)


def _varies(traced: Traced, step: Step, from_end: int) -> bool:
    """Whether the step has an argument that is not the same at all positions of the axis, or known only at run time.

    A window could not be run with it: it is made for the full map.
    """
    for node in step.node.all_input_nodes:
        if node in step.sources:
            continue
        value = traced.facts[node]
        if not isinstance(value, Tensor):
            return True  # a size that the network computes
        if RULES[step.operation].reach == "point" and value.dim() >= from_end and value.shape[-from_end] > 1:
            return not is_uniform(value) or node.op == "get_attr"
    return False


def is_uniform(value: Tensor) -> bool:
    """Whether all entries are equal; without data (on the meta device) that is not known, so no."""
    return not value.is_meta and bool((value == value.flatten()[0]).all())


def _pair(value) -> tuple[int, int]:
    return (*value, *value)[:2] if isinstance(value, tuple | list | torch.Size) else (value, value)

"""The deconvnet: forward with switches up to a layer, then a signal walked down to pixels (paper, section 2.1)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from zfpipe.errors import UserError
from zfpipe.nets.rules import RULES
from zfpipe.nets.trace import Step, Traced, operation_name

COLLIDE = ("add", "overwrite")
NOTHING = (math.inf, "")


@torch.no_grad()
def forward(
    traced: Traced, images: Tensor, layer: str, collide: str = "add", whole: bool = True
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Run images (B, 3, H, W), already normalised, up to a layer (a step's qualified name).

    Returns the layer's map, (B, C, h, w) or (B, C), and a function `project` that carries a signal of that shape down
    to pixels, (B, 3, H, W). `collide` says what happens where unpooled values meet: they 'add', or the last one
    stays ('overwrite'). Unless `whole`, the map returned is the first image's alone, and of the others nothing is
    computed but what switches need.
    Raises UserError, naming the step, where an operation has no rule.
    """
    steps = traced.upto([layer])
    values: dict[fx.Node, Any] = traced.constants | {traced.input_node: images}
    whole = whole or len(images) == 1
    first = {} if whole else _values(steps, traced.constants | {traced.input_node: images[:1]})
    lean = bool(first) and _images_stay_first(steps, first, traced.constants | {traced.input_node: _blank(images, 2)})
    needed = _below_switches(steps) if lean else {step.node for step in steps}
    downs = []
    for step in steps:
        if not step.sources:  # a size, a constant: nothing for a signal to pass through
            values[step.node] = step.run(values)
            continue
        refused = obstacle(step, values)
        if refused:
            raise UserError(f"The deconvnet cannot go down from {layer}: {refused}; {supported()}.")
        settings = step.settings(values) | {"overwrite": collide == "overwrite"}
        down = RULES[step.operation].apply(_as_function(step, values), settings, *map(values.get, step.sources))
        downs.append((step.node, step.sources, down))
        values[step.node] = step.run(values) if step.node in needed else _blank(first[step.node], len(images))
    top = steps[-1].node

    @torch.no_grad()
    def project(signal: Tensor) -> Tensor:
        signals = {top: signal}
        for node, sources, down in reversed(downs):
            arriving = signals.pop(node, None)
            if arriving is None:
                continue
            for source, part in zip(sources, down(arriving), strict=True):
                signals[source] = signals[source] + part if source in signals else part
        return signals[traced.input_node]

    return values[top] if whole else first[top], project


def seed(activations: Tensor, channel: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """Return a signal like `activations` (B, C, h, w) or (B, C), zero but for one activation of each image.

    `channel`, `row`, `col` are (B,) index tensors ("set all other activations in the layer to zero").
    """
    maps = activations if activations.dim() == 4 else activations[..., None, None]
    return point(activations, maps[torch.arange(len(maps), device=maps.device), channel, row, col], channel, row, col)


def point(like: Tensor, strength: Tensor, channel: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """Return signals (B, C, h, w) or (B, C) for the layer that the map `like` is of, each of `strength` (B,) at one
    position and 0 elsewhere."""
    signal = like.new_zeros(len(strength), *(like if like.dim() == 4 else like[..., None, None]).shape[1:])
    signal[torch.arange(len(signal), device=like.device), channel, row, col] = strength
    return signal if like.dim() == 4 else signal.flatten(1)


def supported() -> str:
    """Say which operations have a rule: modules, which stand for their functions too, and functions without one."""
    by_rule: dict[Callable, list] = {}
    for operation, known in RULES.items():
        by_rule.setdefault(known.apply, []).append(operation)
    names = set()
    for operations in by_rule.values():
        modules = [operation for operation in operations if isinstance(operation, type)]
        names.update(operation_name(operation) for operation in modules or operations)
    return f"it knows {', '.join(sorted(names, key=str.lower))}, and the functions of these"


def obstacle(step: Step, values: dict[fx.Node, Any]) -> str:
    """Say why a signal cannot pass a step, naming both, or return ''."""
    known = RULES.get(step.operation)
    why = known.refuses(step.settings(values), step.signals) if known else "has no rule"
    return f"{step.label} at {step.name} {why}" if why else ""


def obstacles(traced: Traced) -> dict[str, str]:
    """Return, for every step that depends on the image, the first obstacle between it and the pixels, or ''."""
    first: dict[fx.Node, tuple[int, str]] = {traced.input_node: NOTHING}
    for number, step in enumerate(traced.steps):
        if step.sources:
            own = obstacle(step, traced.facts)
            first[step.node] = min([first[source] for source in step.sources] + ([(number, own)] if own else []))
    return {step.name: first[step.node][1] for step in traced.steps if step.sources}


def _values(steps: list[Step], values: dict[fx.Node, Any]) -> dict[fx.Node, Any]:
    for step in steps:
        values[step.node] = step.run(values)
    return values


def _below_switches(steps: list[Step]) -> set[fx.Node]:
    """The nodes that are looked at on the way down, and those that they are computed from."""
    needed: set[fx.Node] = set()
    for step in reversed(steps):
        if step.node in needed or (step.sources and step.operation in RULES and RULES[step.operation].sees):
            needed.update(step.node.all_input_nodes)
    return needed


def _images_stay_first(steps: list[Step], first: dict[fx.Node, Any], values: dict[fx.Node, Any]) -> bool:
    """Whether the first axis of all that one image gave is that of the images; a network may turn it away for a while.

    Of two, what moves values says where it puts them; the other operations leave the axis where it is.
    """
    for step in steps:
        given = first[step.node]
        moves = not step.sources or (step.operation in RULES and RULES[step.operation].reach in ("moves", "whole"))
        values[step.node] = step.run(values) if moves else _blank(given, 2)
        if step.sources and _shapes(values[step.node]) != _shapes(_blank(given, 2)):
            return False
    return True


def _shapes(value: Any) -> Any:
    return value.shape if isinstance(value, Tensor) else [_shapes(part) for part in value]


def _blank(value: Any, images: int) -> Any:
    """Stand in for what a step gives: the same shapes, for so many images, and a single 0 in memory."""
    if isinstance(value, Tensor):
        return value.new_zeros(()).expand(images, *value.shape[1:])
    return type(value)(_blank(part, images) for part in value)


def _as_function(step: Step, values: dict[fx.Node, Any]) -> Callable[..., Tensor]:
    others = {node: values[node] for node in step.node.all_input_nodes if node not in step.sources}
    return lambda *inputs: step.run(others | dict(zip(step.sources, inputs, strict=True)))

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
    traced: Traced, images: Tensor, layer: str, collide: str = "add"
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Run images (B, 3, H, W), already normalised, up to a layer (a step's qualified name).

    Returns the layer's map, (B, C, h, w) or (B, C), and a function `project` that carries a signal of that shape down
    to pixels, (B, 3, H, W). `collide` says what happens where unpooled values meet: they 'add', or the last one
    stays ('overwrite').
    Raises UserError, naming the step, where an operation has no rule.
    """
    steps = traced.upto([layer])
    values: dict[fx.Node, Any] = traced.constants | {traced.input_node: images}
    downs = []
    for step in steps:
        if not step.sources:  # a size, a constant: nothing for a signal to pass through
            values[step.node] = step.run(values)
            continue
        refused = obstacle(step, values)
        if refused:
            raise UserError(f"The deconvnet cannot go down from {layer}: {refused}; {supported()}.")
        settings = step.settings(values) | {"overwrite": collide == "overwrite"}
        inputs = (values[source] for source in step.sources)
        run = _as_function(step, values)
        values[step.node], down = RULES[step.operation].apply(run, settings, *inputs)
        downs.append((step.node, step.sources, down))
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

    return values[top], project


def seed(activations: Tensor, channel: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """Return a signal like `activations` (B, C, h, w) or (B, C), zero but for one activation of each image.

    `channel`, `row`, `col` are (B,) index tensors ("set all other activations in the layer to zero").
    """
    maps = activations if activations.dim() == 4 else activations[..., None, None]
    image = torch.arange(len(maps), device=maps.device)
    signal = torch.zeros_like(maps)
    signal[image, channel, row, col] = maps[image, channel, row, col]
    return signal.view_as(activations)


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


def _as_function(step: Step, values: dict[fx.Node, Any]) -> Callable[..., Tensor]:
    others = {node: values[node] for node in step.node.all_input_nodes if node not in step.sources}
    return lambda *inputs: step.run(others | dict(zip(step.sources, inputs, strict=True)))

"""The deconvnet: forward with switches up to a layer, then a signal walked down to pixels (paper, section 2.1)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from zfpipe.errors import UserError
from zfpipe.nets.rules import RULES
from zfpipe.nets.trace import Step, Traced

COLLIDE = ("add", "overwrite")


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
        sources = _tensor_sources(step, values)
        if step.shape is None or not sources:  # a size, a shape: nothing for a signal to pass through
            values[step.node] = step.run(values)
            continue
        settings = step.settings() | {"overwrite": collide == "overwrite"}
        run = _as_function(step, values, sources)
        values[step.node], down = _rule(step).apply(run, settings, *(values[source] for source in sources))
        downs.append((step.node, sources, down))
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


def supported_operations() -> list[str]:
    """Return the names of the operations that have a rule."""
    return sorted({getattr(operation, "__name__", str(operation)) for operation in RULES})


def unsupported(traced: Traced, layer: str) -> Step | None:
    """Return the first step below a layer that has no rule, or None."""
    signal_paths = {traced.input_node}
    for step in traced.upto([layer]):
        if step.shape is not None and signal_paths.intersection(step.node.all_input_nodes):
            signal_paths.add(step.node)
            if step.operation not in RULES:
                return step
    return None


def _rule(step: Step):
    if step.operation not in RULES:
        raise UserError(
            f"The deconvnet has no rule for {_operation_name(step)} at {step.name}; "
            f"it knows {', '.join(supported_operations())}."
        )
    return RULES[step.operation]


def _operation_name(step: Step) -> str:
    return getattr(step.operation, "__name__", str(step.operation))


def _tensor_sources(step: Step, values: dict[fx.Node, Any]) -> list[fx.Node]:
    # A weight that stands in the graph (get_attr) is a tensor too, but no signal goes to it.
    return [
        node
        for node in step.node.all_input_nodes
        if isinstance(values[node], Tensor) and node.op != "get_attr" and values[node].dim() > 0
    ]


def _as_function(step: Step, values: dict[fx.Node, Any], sources: list[fx.Node]) -> Callable[..., Tensor]:
    others = {node: values[node] for node in step.node.all_input_nodes if node not in sources}
    return lambda *inputs: step.run(others | dict(zip(sources, inputs, strict=True)))

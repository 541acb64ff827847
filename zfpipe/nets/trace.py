"""A network as a list of named steps: traced once with torch.fx, then walked. Nothing is hooked."""

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import NodePathTracer

from zfpipe.errors import UserError

# An in-place operation would overwrite a map that is still wanted; each is replaced by the one that is not.
OUT_OF_PLACE = {
    operator.iadd: operator.add,
    torch.relu_: torch.relu,
    F.relu_: F.relu,
    "relu_": "relu",
    "add_": "add",
}


@dataclass(frozen=True)
class Step:
    """One operation of a traced network.

    `name` is its qualified name, `operation` the module's type, the function, or the method's name; `shape` that of
    its output without the batch axis, or None where the output is no single tensor (a size, a tuple).
    """

    name: str
    operation: Any
    node: fx.Node
    module: nn.Module | None
    shape: tuple[int, ...] | None = field(compare=False)

    def run(self, values: dict[fx.Node, Any]) -> Any:
        """Carry out the operation on the values of the nodes before it."""
        args = fx.map_arg(self.node.args, values.__getitem__)
        kwargs = fx.map_arg(self.node.kwargs, values.__getitem__)
        if self.node.op == "call_module":
            return self.module(*args, **kwargs)
        if self.node.op == "call_method":
            return getattr(args[0], self.node.target)(*args[1:], **kwargs)
        return self.node.target(*args, **kwargs)

    def settings(self) -> dict[str, Any]:
        """Return kernel_size, stride and so on, whether they stand in a module or in a call's arguments."""
        if self.module is not None:
            return vars(self.module)
        normalised = self.node.normalized_arguments(None, normalize_to_only_use_kwargs=True)
        return normalised.kwargs if normalised else dict(self.node.kwargs)


@dataclass(frozen=True)
class Traced:
    """A network in eval mode as steps in the order of computation, shaped for inputs of (H, W) pixels."""

    network: nn.Module
    input_node: fx.Node
    constants: dict[fx.Node, Any]
    steps: list[Step]
    input_size: tuple[int, int]

    def find(self, name: str) -> Step:
        """Return the step of a qualified name."""
        return next(step for step in self.steps if step.name == name)

    def upto(self, names: Iterable[str]) -> list[Step]:
        """Return the steps that the named ones need, themselves included, in order."""
        wanted = {self.find(name).node for name in names}
        needed = []
        for step in reversed(self.steps):
            if step.node in wanted:
                wanted.update(step.node.all_input_nodes)
                needed.append(step)
        return needed[::-1]

    def maps(self, images: Tensor, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """Run images (B, 3, H, W) forward and yield each named step's output, (B, C, H', W') or (B, C), in order.

        Values are let go after their last use, so no more is held than a plain forward pass holds.
        """
        names = set(names)
        steps = self.upto(names)
        last_use = {node: step for step in steps for node in step.node.all_input_nodes}
        values = self.constants | {self.input_node: images}
        for step in steps:
            values[step.node] = step.run(values)
            if step.name in names:
                yield step.name, values[step.node]
            for node in [*step.node.all_input_nodes, step.node]:
                if last_use.get(node, step) is step and node not in self.constants:
                    values.pop(node, None)


def trace(network: nn.Module, input_size: tuple[int, int], channels: int = 3) -> Traced:
    """Trace a network for inputs of (H, W) pixels, in eval mode.

    In-place operations become plain ones (on the network itself: `inplace` is switched off).
    Raises UserError if torch.fx cannot trace it or it does not take an input of that size.
    """
    network.eval()
    for module in network.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    tracer = NodePathTracer()
    try:
        graph = tracer.trace(network)
    except (fx.proxy.TraceError, TypeError, ValueError) as error:
        raise UserError(
            f"The network {type(network).__name__} cannot be traced: its forward pass branches on its data ({error})."
        ) from error
    names = dict(tracer.node_to_qualname)
    return _with_shapes(network, graph, names, input_size, channels)


@torch.no_grad()
def _with_shapes(
    network: nn.Module, graph: fx.Graph, names: dict[fx.Node, str], input_size: tuple[int, int], channels: int
) -> Traced:
    parameter = next(network.parameters(), torch.zeros(()))
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    values: dict[fx.Node, Any] = {node: node.args[0] if node.args else None for node in inputs[1:]}
    values |= {node: _attribute(network, node.target) for node in graph.nodes if node.op == "get_attr"}
    constants = dict(values)
    values[inputs[0]] = torch.zeros(1, channels, *input_size, dtype=parameter.dtype, device=parameter.device)
    steps = []
    for node in graph.nodes:
        if not node.op.startswith("call_"):
            continue
        node.target = OUT_OF_PLACE.get(node.target, node.target)
        if "inplace" in node.kwargs:
            node.kwargs = node.kwargs | {"inplace": False}
        module = network.get_submodule(node.target) if node.op == "call_module" else None
        operation = type(module) if module is not None else node.target
        step = Step(names.get(node, node.name), operation, node, module, None)
        try:
            value = values[node] = step.run(values)
        except (RuntimeError, ValueError, TypeError) as error:
            height, width = input_size
            raise UserError(
                f"The network does not take an input of {height}x{width} pixels: at {step.name}, "
                f"{str(error).splitlines()[0]}"
            ) from error
        shape = tuple(value.shape[1:]) if isinstance(value, Tensor) else None
        steps.append(Step(step.name, operation, node, module, shape))
    return Traced(network, inputs[0], constants, steps, input_size)


def _attribute(root: nn.Module, path: str) -> Any:
    for name in path.split("."):
        root = getattr(root, name)
    return root


def first_filters(traced: Traced, name: str) -> np.ndarray | None:
    """Return the filters (C, h, w, 3) below a layer's rectification if they look at the image itself; else None.

    Batch normalisation may stand between the two.
    """
    node = traced.find(name).node
    for _ in range(3):
        step = next((step for step in traced.steps if step.node is node), None)
        if step is None or len(node.all_input_nodes) != 1:
            return None
        if isinstance(step.module, nn.Conv2d):
            weight = step.module.weight.detach()
            looks_at_image = node.all_input_nodes[0] is traced.input_node and weight.shape[1] == 3
            return weight.permute(0, 2, 3, 1).cpu().numpy() if looks_at_image else None
        node = node.all_input_nodes[0]
    return None

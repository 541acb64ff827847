"""A network as a list of named steps: traced once with torch.fx, then walked. Nothing is hooked."""

import operator
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.fx.operator_schemas import get_signature_for_torch_op
from torch.nn.utils import parametrize

from zfpipe.errors import UserError
from zfpipe.nets.inplace import make_plain, plain_copies

# These give a tuple of maps; each `a, b = x.chunk(2, 1)` becomes one step for a and one for b.
IN_PARTS = ("chunk", "split", "tensor_split", "unbind")


@dataclass(frozen=True)
class Step:
    """One operation of a traced network.

    `name` is its qualified name, `operation` the module's type, the function, or the method's name; `shape` that of
    its output without the batch axis, or None where the output is no single tensor (a size, a tuple). `sources` are
    the nodes of its inputs that depend on the image: those that a signal goes down to. `part` is the number of the
    output that it takes of an operation with several, or None. `faster` carries the operation out in its stead.
    """

    name: str
    operation: Any
    node: fx.Node
    module: nn.Module | None
    shape: tuple[int, ...] | None = field(compare=False)
    sources: tuple[fx.Node, ...] = ()
    part: int | None = None
    faster: nn.Module | None = field(default=None, compare=False)

    def run(self, values: dict[fx.Node, Any]) -> Any:
        """Carry out the operation on the values of the nodes before it."""
        args = fx.map_arg(self.node.args, values.__getitem__)
        kwargs = fx.map_arg(self.node.kwargs, values.__getitem__)
        if self.faster is not None:
            found = self.faster(*args, **kwargs)
        elif self.node.op == "call_module":
            found = self.module(*args, **kwargs)
        elif self.node.op == "call_method":
            found = getattr(args[0], self.node.target)(*args[1:], **kwargs)
        else:
            found = self.node.target(*args, **kwargs)
        return found if self.part is None else found[self.part]

    def settings(self, values: dict[fx.Node, Any]) -> dict[str, Any]:
        """Return kernel_size, stride and so on, whether they stand in a module or in a call's arguments.

        A setting that the network computes (the size of a map) is looked up in `values`.
        """
        if self.module is not None:
            return vars(self.module)
        return fx.map_arg(_by_name(self.node), lambda node: values.get(node, node))

    @property
    def signals(self) -> list[int | str]:
        """Where the signals stand among the arguments: a position or a keyword for each, in order."""
        given = [*enumerate(self.node.args), *self.node.kwargs.items()]
        found = []
        for place, argument in given:
            fx.map_arg(argument, lambda node, place=place: found.append(place) if node in self.sources else None)
        return found

    @property
    def label(self) -> str:
        """What the operation is called."""
        return operation_name(self.operation)


def operation_name(operation: Any) -> str:
    """Return the name of a module's type, a function or a method."""
    return getattr(operation, "__name__", str(operation))


@dataclass(frozen=True)
class Traced:
    """A network in eval mode as steps in the order of computation, shaped for inputs of (channels, H, W).

    `facts` holds the value of every node that does not depend on the image's pixels: weights, sizes, constants.
    """

    network: nn.Module
    input_node: fx.Node
    constants: dict[fx.Node, Any]
    steps: list[Step]
    input_size: tuple[int, int]
    channels: int
    facts: dict[fx.Node, Any]

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
        """Run images (B, C, H, W) forward and yield each named step's output, (B, C', H', W') or (B, C'), in order.

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
    """Trace a network for inputs of (H, W) pixels, in eval mode. In-place operations become plain ones.

    Raises UserError if torch.fx cannot trace it or it does not take an input of that size.
    """
    network.eval()
    for module in network.modules():
        if hasattr(module, "memory_efficient"):  # densenet's way to save memory in training branches on its data
            module.memory_efficient = False
    try:
        graph = fx.Tracer().trace(network)
    except Exception as error:  # a forward pass is anyone's code, and symbolic values may break it anywhere
        raise UserError(
            f"The network {type(network).__name__} cannot be traced: its forward pass branches on its data or does "
            f"what torch.fx cannot follow ({str(error).splitlines()[0] if str(error) else type(error).__name__})."
        ) from error
    return _with_shapes(network, graph, _qualified_names(graph), input_size, channels)


@torch.no_grad()
def _with_shapes(
    network: nn.Module, graph: fx.Graph, names: dict[fx.Node, str], input_size: tuple[int, int], channels: int
) -> Traced:
    parameter = next(network.parameters(), torch.zeros(()))
    copies = plain_copies(network)
    image, *others = [node for node in graph.nodes if node.op == "placeholder"]
    constants: dict[fx.Node, Any] = {node: node.args[0] if node.args else None for node in others}
    constants |= {node: _attribute(network, node.target) for node in graph.nodes if node.op == "get_attr"}
    values = dict(constants)
    values[image] = torch.zeros(1, channels, *input_size, dtype=parameter.dtype, device=parameter.device)
    depending, steps = {image}, []
    for node in graph.nodes:
        if not node.op.startswith("call_"):
            continue
        part = _take_part(node, values)
        make_plain(node, values, copies)
        module = (copies.get(node.target) or network.get_submodule(node.target)) if node.op == "call_module" else None
        operation = _kind(module) if module is not None else _function(node.target)
        sources = tuple(source for source in node.all_input_nodes if source in depending)
        step = Step(names.get(node, node.name), operation, node, module, None, sources, part)
        try:
            value = values[node] = step.run(values)
        except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
            height, width = input_size
            raise UserError(
                f"The network does not take an input of {height}x{width} pixels: at {step.name}, "
                f"{str(error).splitlines()[0]}"
            ) from error
        if sources and _holds_tensors(value):
            depending.add(node)
        shape = tuple(value.shape[1:]) if isinstance(value, Tensor) else None
        steps.append(Step(step.name, operation, node, module, shape, sources if node in depending else (), part))
    facts = {node: value for node, value in values.items() if node not in depending}
    return Traced(network, image, constants, steps, input_size, channels, facts)


def _qualified_names(graph: fx.Graph) -> dict[fx.Node, str]:
    """Return each node's name as torchvision's feature extraction has it: the path of the module that it stands in, and
    what is called there; the second of a name ends in _1. (Theirs is not imported: it costs each job two seconds.)"""
    names: dict[fx.Node, str] = {}
    taken: set[str] = set()
    for node in graph.nodes:
        inside = list((node.meta.get("nn_module_stack") or {"": ("", None)}).values())[-1][0]
        called = re.sub(r"_\d+$", "", node.name)  # torch.fx counts over the whole network
        base = name = str(node.target) if node.op == "call_module" else f"{inside}.{called}".lstrip(".")
        number = 0
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        names[node] = name
        taken.add(name)
    return names


def _kind(module: nn.Module) -> type:
    """A module's type; of one whose weights are computed (parametrizations.weight_norm) the type that it was."""
    return type(module).__base__ if parametrize.is_parametrized(module) else type(module)


def _function(target: Any) -> Any:
    """Functions of torchvision go by their names, so that no rule has to import it."""
    return target.__name__ if getattr(target, "__module__", "").startswith("torchvision.") else target


def _take_part(node: fx.Node, values: dict[fx.Node, Any]) -> int | None:
    """Rewrite a node that takes one of the maps of a chunk or split, so that it does the whole by itself."""
    whole = node.args[0] if node.target is operator.getitem else None
    in_parts = isinstance(whole, fx.Node) and operation_name(whole.target) in IN_PARTS and isinstance(node.args[1], int)
    if not in_parts or not isinstance(values[whole], tuple | list):
        return None
    part = node.args[1]
    node.op, node.target, node.kwargs = whole.op, whole.target, whole.kwargs
    node.args = whole.args
    return part


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, tuple | list) and any(map(_holds_tensors, value)))


def _by_name(node: fx.Node) -> dict[str, Any]:
    """The arguments of a call by name. Methods of a tensor are looked up as the functions that they also are."""
    if node.op == "call_function":
        try:
            normalised = node.normalized_arguments(None, normalize_to_only_use_kwargs=True)
        except RuntimeError:  # several overloads take these arguments
            normalised = None
        if normalised:
            return dict(normalised.kwargs)
    function = getattr(torch, node.target, None) if node.op == "call_method" else node.target
    for signature in get_signature_for_torch_op(function) or []:
        try:
            bound = signature.bind(*node.args, **node.kwargs)
        except TypeError:
            continue
        bound.apply_defaults()
        return dict(bound.arguments)
    return dict(node.kwargs)


def _attribute(root: nn.Module, path: str) -> Any:
    for name in path.split("."):
        root = getattr(root, name)
    return root


def convolution_below(traced: Traced, name: str) -> Step | None:
    """Return the convolution whose maps a layer rectifies, or None. Batch normalisation may stand between the two."""
    node = traced.find(name).node
    for _ in range(3):
        step = next((step for step in traced.steps if step.node is node), None)
        if step is None or len(node.all_input_nodes) != 1:
            return None
        if isinstance(step.module, nn.Conv2d):
            return step
        node = node.all_input_nodes[0]
    return None


def first_filters(traced: Traced, name: str) -> np.ndarray | None:
    """Return the filters (C, h, w, D) below a layer's rectification if they look at the image itself; else None.

    D is the image's channels, all of which each filter looks at. Batch normalisation may stand between the two.
    """
    step = convolution_below(traced, name)
    if step is None:
        return None
    weight = step.module.weight.detach()
    looks_at_image = step.node.all_input_nodes[0] is traced.input_node and weight.shape[1] == traced.channels
    return weight.permute(0, 2, 3, 1).cpu().numpy() if looks_at_image else None

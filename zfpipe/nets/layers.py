"""The layers of a network: its rectified maps, by name."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from zfpipe.errors import UserError, nearest
from zfpipe.nets import deconvnet
from zfpipe.nets.axis import Field
from zfpipe.nets.geometry import Place, places
from zfpipe.nets.rules import RULES
from zfpipe.nets.trace import Step, Traced


@dataclass(frozen=True)
class Layer:
    """A rectified map: its public `name`, its `step` in the traced network, channels, map size (H, W), geometry.

    Where the rectification is leaky, only the positive part of the map counts as activations.
    `obstacle` says why the deconvnet cannot go down from here, or is ''. `bound` names an operation whose reach is not
    worked out, so that the field is taken to be the whole image, or is ''.
    """

    name: str
    step: str
    operation: str
    channels: int
    map_size: tuple[int, int]
    field: Field
    obstacle: str
    bound: str = ""


def layers(traced: Traced) -> dict[str, Layer]:
    """Return every layer of a network in the order of computation.

    Our own networks name theirs (conv1, ...); elsewhere a layer's name is the qualified name of its rectification.
    """
    aliases = {step: name for name, step in getattr(traced.network, "layer_names", {}).items()}
    lying, obstacles = places(traced), deconvnet.obstacles(traced)
    found = {}
    for step in traced.steps:
        if step.sources and step.operation in RULES and RULES[step.operation].rectifies:
            name = aliases.get(step.name, step.name)
            shape = step.shape if len(step.shape) in (1, 3) else step.shape[:1]
            channels, *size = shape
            field = Field(*(place.axis for place in lying[step.name]))
            why = obstacles[step.name] or _shapeless(step, lying[step.name])
            bound = _bound(traced, step)
            found[name] = Layer(name, step.name, step.label, channels, tuple(size) or (1, 1), field, why, bound)
    return found


def _bound(traced: Traced, top: Step) -> str:
    """Name the first operation below a step whose reach is not worked out, or return ''."""
    below = (step for step in traced.upto([top.name]) if step.operation in RULES and step.sources)
    return next((f"{step.label} at {step.name}" for step in below if RULES[step.operation].reach == "unknown"), "")


def require_layers(traced: Traced, name: str) -> list[Layer]:
    """Return every layer of a network, called `name`, in order.

    Raises UserError if it has none, with the first operation on its way that has no rule (GELU, say).
    """
    found = list(layers(traced).values())
    if not found:
        raise UserError(
            f"{name} has no layer: nothing in it is rectified (ReLU and its kin). {first_obstacle(traced)}. "
            f"A deconvnet goes down through known operations alone; {deconvnet.supported()}."
        )
    return found


def named(available: dict[str, Layer], names: Iterable[str]) -> list[Layer]:
    """Return the named layers as they are asked for. Raises UserError for a name that is no layer."""
    names = list(names)
    for name in names:
        if name not in available:
            raise UserError(
                f"There is no layer {name!r}{nearest(name, available)}; this network has {', '.join(available)}."
            )
    return [available[name] for name in names]


def first_obstacle(traced: Traced) -> str:
    """Say what a signal first meets that the deconvnet cannot go down through, anywhere in a network."""
    return next(filter(None, deconvnet.obstacles(traced).values()), "All its operations have rules")


def choose(available: dict[str, Layer], names: Iterable[str]) -> list[Layer]:
    """Return the named layers in network order.

    Raises UserError for a name that is no layer, with those that are, and for a layer that the deconvnet cannot leave.
    """
    names = list(names)
    for layer in named(available, names):
        if layer.obstacle:
            raise UserError(
                f"Layer {layer.name!r} cannot be projected: {layer.obstacle}. "
                f"The deconvnet goes down through known operations alone; {deconvnet.supported()}."
            )
    return [layer for name, layer in available.items() if name in names]


def chosen(traced: Traced, names: list[str]) -> list[Layer]:
    """Return the layers of a network that a command names; ['all'] are those that the deconvnet can leave."""
    available = layers(traced)
    every = [name for name, layer in available.items() if not layer.obstacle]
    return choose(available, every if names == ["all"] else names)


def _shapeless(step: Step, lying: tuple[Place, Place]) -> str:
    """Say why a map is no stack of feature maps, or return ''."""
    if len(step.shape) == 1 or (len(step.shape) == 3 and [place.dim for place in lying] == [2, 3]):
        return ""
    return f"{step.label} at {step.name} has maps of shape {step.shape}, not (channels, rows, columns) or (channels)"


def cost(traced: Traced, layer: Layer) -> float:
    """Return what one reconstruction of a layer costs: million multiply-adds, up to the layer and down again.

    Counted from shapes: convolutions and dense layers alone, those of the full image scaled to the window's area.
    """
    height, width = (axis.window / axis.image for axis in layer.field.axes)
    adds = 0.0
    for step in traced.upto([layer.step]):
        weight = getattr(step.module, "weight", None)
        if step.shape is not None and weight is not None and weight.dim() > 1:
            adds += weight[0].numel() * math.prod(step.shape)
    return 2 * adds * height * width / 1e6

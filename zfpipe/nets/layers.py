"""The layers of a network: its rectified maps, by name."""

from collections.abc import Iterable
from dataclasses import dataclass

from zfpipe.errors import UserError, nearest
from zfpipe.nets import deconvnet
from zfpipe.nets.geometry import Field, fields
from zfpipe.nets.rules import RULES
from zfpipe.nets.trace import Traced


@dataclass(frozen=True)
class Layer:
    """A rectified map: its public `name`, its `step` in the traced network, channels, map size (H, W), geometry.

    `obstacle` says why the deconvnet cannot go down from here, or is ''.
    """

    name: str
    step: str
    operation: str
    channels: int
    map_size: tuple[int, int]
    field: Field
    obstacle: str


def layers(traced: Traced) -> dict[str, Layer]:
    """Return every layer of a network in the order of computation.

    Our own networks name theirs (conv1, ...); elsewhere a layer's name is the qualified name of its rectification.
    """
    aliases = {step: name for name, step in getattr(traced.network, "layer_names", {}).items()}
    geometry = fields(traced)
    found = {}
    for step in traced.steps:
        if step.operation in RULES and RULES[step.operation].rectifies and step.name in geometry:
            name = aliases.get(step.name, step.name)
            channels, *size = step.shape
            obstacle = deconvnet.unsupported(traced, step.name)
            found[name] = Layer(
                name,
                step.name,
                getattr(step.operation, "__name__", str(step.operation)),
                channels,
                tuple(size) or (1, 1),
                geometry[step.name],
                f"{getattr(obstacle.operation, '__name__', obstacle.operation)} at {obstacle.name} has no rule"
                if obstacle
                else "",
            )
    return found


def choose(available: dict[str, Layer], names: Iterable[str]) -> list[Layer]:
    """Return the named layers in network order.

    Raises UserError for a name that is no layer, with those that are, and for a layer that the deconvnet cannot leave.
    """
    names = list(names)
    for name in names:
        if name not in available:
            raise UserError(
                f"There is no layer {name!r}{nearest(name, available)}; this network has {', '.join(available)}."
            )
        if available[name].obstacle:
            raise UserError(f"Layer {name!r} cannot be projected: {available[name].obstacle}.")
    return [layer for name, layer in available.items() if name in names]

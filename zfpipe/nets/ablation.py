"""Architectures of the paper's table 3: what a network leaves out or makes larger, and the paper's own numbers."""

import inspect
from dataclasses import dataclass
from typing import Any

from zfpipe.data.sizes import size_name
from zfpipe.nets.paper import CHANNELS, FC, alexnet, zfnet

WIDE = (96, 256, 512, 1024, 512)
# (network, layers left out, units of 6 and 7, maps) -> errors in percent on ImageNet: train top-1, val top-1 and top-5
PAPER = {
    ("alexnet", (), FC, CHANNELS): (35.1, 40.5, 18.1),
    ("alexnet", (3, 4), FC, CHANNELS): (41.8, 45.4, 22.1),
    ("alexnet", (7,), FC, CHANNELS): (27.4, 40.0, 18.4),
    ("alexnet", (6, 7), FC, CHANNELS): (27.4, 44.8, 22.4),
    ("alexnet", (3, 4, 6, 7), FC, CHANNELS): (71.1, 71.3, 50.1),
    ("alexnet", (), 2048, CHANNELS): (40.3, 41.7, 18.8),
    ("alexnet", (), 8192, CHANNELS): (26.8, 40.0, 18.1),
    ("zfnet", (), FC, CHANNELS): (33.1, 38.4, 16.5),
    ("zfnet", (), 2048, CHANNELS): (38.2, 40.2, 17.6),
    ("zfnet", (), 8192, CHANNELS): (22.0, 38.8, 17.0),
    ("zfnet", (), FC, WIDE): (18.8, 37.5, 16.0),
    ("zfnet", (), 8192, WIDE): (10.0, 38.3, 16.9),
}
# What our own networks are where a run says nothing.
DEFAULTS = {
    build.__name__: {key: each.default for key, each in inspect.signature(build).parameters.items() if key != "classes"}
    for build in (zfnet, alexnet)
}


@dataclass(frozen=True)
class Changes:
    """What sets an architecture of ours apart: layers left out, units of 6 and 7, maps of 1 to 5, and more."""

    name: str
    drop: tuple[int, ...]
    fc: int
    maps: tuple[int, ...]
    width: float
    norm: str | None = None  # None: as the network is
    input_size: int | tuple[int, int] | None = None

    @classmethod
    def of(cls, spec: dict[str, Any]) -> "Changes":
        """Read them from a model's description; a network that is not ours has none."""
        drop, maps = tuple(sorted(spec.get("drop", ()))), tuple(spec.get("maps", CHANNELS))
        own = {key: spec[key] for key in ("norm", "input_size") if key in spec}
        other = {key: value for key, value in own.items() if value != DEFAULTS.get(spec["name"], spec)[key]}
        return cls(spec["name"], drop, spec.get("fc", FC), maps, spec.get("width", 1.0), **other)

    def said(self) -> str:
        """Say them as the paper's table does."""
        parts = [f"without layers {', '.join(map(str, self.drop))}"] if self.drop else []
        parts += [f"layers 6, 7: {self.fc} units"] if self.fc != FC else []
        parts += [f"maps {'-'.join(map(str, self.maps))}"] if self.maps != CHANNELS else []
        parts += [f"width {self.width:g}"] if self.width != 1 else []
        parts += [f"norm {self.norm}"] if self.norm else []
        parts += [f"input {size_name(self.input_size)} px"] if self.input_size else []
        return "; ".join(parts) or "as it is"

    def papers(self) -> tuple[float, float, float] | None:
        """Return the paper's errors for it, if its table 3 has this architecture at full width."""
        return PAPER.get((self.name, self.drop, self.fc, self.maps)) if self.width == 1 else None

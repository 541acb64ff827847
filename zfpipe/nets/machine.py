"""Where a stage computes, with whom, and how finely."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from zfpipe.errors import UserError
from zfpipe.nets.team import Team


@dataclass(frozen=True)
class Machine:
    """Who computes, and how finely: settings that are no part of a training's recipe or of what is mined."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    team: Team = field(default_factory=Team)
    precision: str = "float32"

    def __post_init__(self):
        if self.precision == "tf32" and self.device.type != "cuda":
            raise UserError(
                f"precision is tf32, which CUDA devices have; this runs on {self.device.type}: take float32 or bf16."
            )

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Compute as finely as asked for; without this, in full float32."""
        if self.precision == "bf16":
            with torch.autocast(self.device.type, torch.bfloat16):
                yield
            return
        coarse = self.precision == "tf32"
        backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
        before = [backend.allow_tf32 for backend in backends]
        for backend in backends:
            backend.allow_tf32 = coarse or backend.allow_tf32
        try:
            yield
        finally:
            for backend, was in zip(backends, before, strict=True):
                backend.allow_tf32 = was


HERE = Machine()

"""What a network answers to images: maps of chosen layers and the probabilities of its outputs, in one pass."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from zfpipe.errors import UserError
from zfpipe.nets.layers import Layer
from zfpipe.nets.models import Model
from zfpipe.nets.trace import Traced


class Answers:
    """Runs a network once for the maps of some layers and for its outputs.

    Raises UserError if it has no outputs (B, classes).
    """

    def __init__(self, model: Model, traced: Traced, layers: Sequence[Layer]):
        self.model, self.traced, self.layers = model, traced, layers
        (output,) = (node for node in traced.input_node.graph.nodes if node.op == "output")
        self._last = next((step.name for step in traced.steps if step.node is output.args[0]), None)
        if self._last is None or len(traced.find(self._last).shape or ()) != 1:
            raise UserError("The network's output is no (B, classes), so there are no probabilities of classes.")

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[list[Tensor], Tensor]:
        """Return each layer's maps (B, C, h, w), 1x1 where it has none, and the probabilities (B, classes).

        `images` are (B, H, W, C) uint8 of the input's size.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.model.mean.device)
        inputs = self.model.normalise(pixels.permute(0, 3, 1, 2))
        found = dict(self.traced.maps(inputs, {*(layer.step for layer in self.layers), self._last}))
        maps = [found[layer.step] for layer in self.layers]
        return [each if each.dim() == 4 else each[..., None, None] for each in maps], found[self._last].softmax(1)

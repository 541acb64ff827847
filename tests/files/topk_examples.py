"""A small layer with a full unit, a unit with a missing entry, and a dead one."""

import numpy as np

from zfpipe.files.histogram import BINS, bins_of
from zfpipe.files.topk import LayerTopK, TopK

INPUT = (12, 14)


def histogram(activation, images=10):
    """What stands in `activation` (C, K), and for the images that are not there: weaker ones, or none."""
    others = np.tile(activation[:, -1:] / 2, images - activation.shape[1])
    bins = bins_of(np.concatenate([activation, others], axis=1))
    return np.array([np.bincount(row, minlength=BINS) for row in bins], np.uint32)


def layer(name="features.conv1"):
    row = np.array([[0, 4, 2], [3, 1, -1], [-1, -1, -1]], np.int32)
    activation = np.array([[3, 2, 2], [1.5, 0.25, 0], [0, 0, 0]], np.float32)
    return LayerTopK(
        name,
        activation=activation,
        image_index=np.array([[4, 1, 7], [9, 0, -1], [-1, -1, -1]], np.int64),
        row=row,
        col=np.where(row < 0, row, row + 1).astype(np.int32),
        receptive_field=(7, 7),
        jump=(2, 2),
        start=(-1, -1),
        map_size=(5, 6),
        histogram=histogram(activation),
    )


def topk(*layers):
    layers = layers or (layer("features.conv2"), layer("features.conv1"))
    names = {each.name: each for each in layers}
    return TopK(3, "model" * 12, "manifest" * 8, images=10, first=0, last=10, input_size=INPUT, layers=names)

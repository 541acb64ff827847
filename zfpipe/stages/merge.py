"""Join the shards of one mining into one top-k file. The order in which they are given does not matter."""

import argparse

from zfpipe.errors import UserError
from zfpipe.files.topk import LayerTopK, TopK, read_topk, write_topk
from zfpipe.nets.strongest import Strongest
from zfpipe.progress import say

# What every shard of one mining shares.
COMMON = ("k", "model_sha256", "manifest_sha256", "images", "input_size", "precision")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shards", required=True, nargs="+", metavar="H5", help="top-k files of all shards")
    parser.add_argument("--out", required=True, metavar="H5", help="top-k file over all images")


def run(arguments: argparse.Namespace) -> None:
    shards = {path: read_topk(path) for path in arguments.shards}
    _require_one_mining(shards)
    first = next(iter(shards.values()))
    merged = {name: _merge([shard.layers[name] for shard in shards.values()]) for name in first.layers}
    facts = {name: getattr(first, name) for name in COMMON}
    write_topk(arguments.out, TopK(**facts, first=0, last=first.images, layers=merged))
    dead = sum(int(layer.dead.sum()) for layer in merged.values())
    units = sum(len(layer.row) for layer in merged.values())
    say(f"merge: the {first.k} strongest of {first.images} images for {units} units, {dead} of them dead")


def _require_one_mining(shards: dict[str, TopK]) -> None:
    """Raise UserError unless the shards cover every image once and come from the same weights, images and k."""
    (path, first), *others = shards.items()
    for other_path, other in others:
        for name in COMMON:
            mine, theirs = getattr(first, name), getattr(other, name)
            if mine != theirs:
                raise UserError(
                    f"{path} and {other_path} are not of one mining: {name} is {mine} in one and {theirs} in the "
                    "other; delete the stale one and run again."
                )
        if list(first.layers) != list(other.layers):
            raise UserError(f"{path} and {other_path} do not hold the same layers; delete the stale one and run again.")
    expected = 0
    for path, shard in sorted(shards.items(), key=lambda item: item[1].first):
        if any(layer.histogram is None for layer in shard.layers.values()):
            raise UserError(f"{path} holds no histograms: an older zfpipe made it; delete it and run again.")
        if shard.first != expected:
            what = "are missing" if shard.first > expected else "are there twice"
            low, high = sorted((expected, shard.first))
            raise UserError(f"Images {low} to {high - 1} {what} (at {path}); give every shard of one mining, once.")
        expected = shard.last
    if expected != first.images:
        raise UserError(f"Images {expected} to {first.images - 1} are missing; give every shard of one mining, once.")


def _merge(parts: list[LayerTopK]) -> LayerTopK:
    best = Strongest.empty(*parts[0].activation.shape)
    for part in parts:
        best.merge(part)
    entries = {name: getattr(best, name) for name in ("activation", "image_index", "row", "col", "histogram")}
    geometry = {name: getattr(parts[0], name) for name in ("receptive_field", "jump", "start", "map_size")}
    return LayerTopK(parts[0].name, **entries, **geometry)

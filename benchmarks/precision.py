"""`python -m benchmarks.precision --model PT --images H5`: what coarser passes do to the ranking, and to speed.

Mines every layer in float32 and in bf16 (and in tf32 where there is CUDA), and prints a line a layer: the part of the
top k that both have, the part of units whose strongest image is the same, and the median change of an activation.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import machine, side_by_side
from zfpipe.__main__ import main as zfpipe
from zfpipe.files.topk import COARSE, LayerTopK, read_topk


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cuda: tf32 too")
    parser.add_argument("--batch-size", type=int, default=32)
    arguments = parser.parse_args()
    precisions = ["float32", *(each for each in COARSE if each != "tf32" or arguments.device == "cuda")]
    with tempfile.TemporaryDirectory() as folder:
        paths = {each: Path(folder) / f"{each}.h5" for each in precisions}
        given = ["mine", "--model", arguments.model, "--images", arguments.images, "--layers", "all"]
        given += ["--threads", str(arguments.threads), "--device", arguments.device]
        given += ["--batch-size", str(arguments.batch_size)]

        def mine(precision: str):
            def run() -> None:
                print(f"{precision}:", file=sys.stderr)
                _must(zfpipe([*given, "--precision", precision, "--out", str(paths[precision])]))

            return run

        spent = side_by_side({each: mine(each) for each in precisions}, 3)
        found = {each: read_topk(path).layers for each, path in paths.items()}
    print("| layer | precision | of the top k in both | same strongest image | median change of an activation |")
    print("| --- | --- | --- | --- | --- |")
    for each in precisions[1:]:
        for name, fine in found["float32"].items():
            print(f"| {name} | {each} | {' | '.join(_compared(fine, found[each][name]))} |")
        print(f"\n{each}: {spent['float32'].wall / spent[each].wall:.2f} times as fast as float32.")
    print(f"Machine: {', '.join(f'{name} {value}' for name, value in machine().items())}.")


def _compared(fine: LayerTopK, coarse: LayerTopK) -> tuple[str, str, str]:
    alive = np.flatnonzero(~fine.dead)
    shared = [
        len(np.intersect1d(fine.image_index[unit][fine.present[unit]], coarse.image_index[unit][coarse.present[unit]]))
        for unit in alive
    ]
    part = sum(shared) / fine.present.sum()
    strongest = (fine.image_index[alive, 0] == coarse.image_index[alive, 0]).mean()
    both = (fine.image_index == coarse.image_index) & fine.present
    change = np.abs(coarse.activation[both] / fine.activation[both] - 1)
    return f"{100 * part:.1f} %", f"{100 * strongest:.1f} %", f"{100 * np.median(change):.2f} %"


def _must(status: int) -> None:
    if status:  # the stage has said why
        sys.exit(status)


if __name__ == "__main__":
    main()

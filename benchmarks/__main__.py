"""`python -m benchmarks [QUESTION ...] [--quick]`: measure zfpipe against its limits and write one table.

Questions are modules beside this one, each with `measure(folder, quick)`, which returns rows (those of ON_GPU take a
device too), and with BARS: what each of its rows has to reach (None: nothing). Without a name: all.
"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.mistakes import told
from benchmarks.table import markdown, write
from zfpipe.errors import require_one_of
from zfpipe.files.whole import require_writable
from zfpipe.nets.device import prepare_device

QUESTIONS = ("startup", "mining", "reconstruction", "packing", "training", "growth", "figures")
QUICK = QUESTIONS[:3]
DESCRIPTION = "Measure zfpipe against its limits and write one table; without a question, all of them."
ON_GPU = ("mining", "reconstruction", "training")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=DESCRIPTION)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--quick", action="store_true", help="less of the first three: about a minute")
    parser.add_argument("--threads", type=int, default=None, help="of every candidate (default: PyTorch's)")
    parser.add_argument("--device", default="cpu", help=f"cuda: {', '.join(ON_GPU)} on a GPU")
    parser.add_argument(
        "--out", type=Path, default=Path("results/benchmarks"), help="folder of the table, as CSV and as Markdown"
    )
    with told():
        _measure(parser.parse_args())


def _measure(arguments: argparse.Namespace) -> None:
    for question in arguments.questions:
        require_one_of("The question", question, QUESTIONS)
    device = prepare_device(arguments.device, arguments.threads)
    asked = tuple(arguments.questions) or (QUICK if arguments.quick else QUESTIONS)
    if device.type != "cpu":
        for question in arguments.questions:
            require_one_of(f"The question for {device.type}", question, ON_GPU)
        asked = tuple(question for question in asked if question in ON_GPU)
    # A part of the table is a file of its own: it would take the place of hours.
    name = "table" if asked == QUESTIONS and not arguments.quick else "-".join(asked) + "-quick" * arguments.quick
    require_writable(arguments.out / f"{name}.csv")  # now, not when all is measured
    rows = []
    for question in asked:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            where = [device] if question in ON_GPU else []
            rows += importlib.import_module(f"benchmarks.{question}").measure(Path(folder), arguments.quick, *where)
        print(f"{question}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    write(arguments.out, name, rows)
    print(markdown(rows))


if __name__ == "__main__":
    main()

"""`python -m benchmarks [QUESTION ...] [--quick]`: measure zfpipe against its limits and write one table.

Questions are modules beside this one, each with `measure(folder, quick)`, which returns rows. Without a name: all.
"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.table import markdown, write
from zfpipe.nets.device import prepare_device

QUESTIONS = ("startup", "mining", "reconstruction", "packing", "training", "growth", "figures")
QUICK = QUESTIONS[:3]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--quick", action="store_true", help="less of the first three: about a minute")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), help="folder of table.csv and table.md")
    arguments = parser.parse_args()
    prepare_device("cpu", arguments.threads)
    rows = []
    for question in arguments.questions or (QUICK if arguments.quick else QUESTIONS):
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            rows += importlib.import_module(f"benchmarks.{question}").measure(Path(folder), arguments.quick)
        print(f"{question}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    write(arguments.out, rows)
    print(markdown(rows))


if __name__ == "__main__":
    main()

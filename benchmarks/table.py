"""The one table that all measurements go into, as CSV and Markdown."""

import csv
import io
import math
import operator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from benchmarks.timing import Spent, machine
from zfpipe.files.whole import write_text

REACHED = {">=": operator.ge, "<=": operator.le, "<": operator.lt}
GROWTH = 1.1  # what has more to do may take so much more memory


@dataclass(frozen=True)
class Row:
    """One question: what zfpipe does, what it is held against (`limit`), and how the two compare (`bar`: to reach)."""

    what: str
    unit: str
    zfpipe: str
    against: str
    ratio: str
    ratio_cpu: str
    bar: str
    detail: str

    @classmethod
    def over(
        cls, what: str, unit: str, count: float, stage: Spent, other: Spent, bar: float | None, detail: str
    ) -> "Row":
        """A rate over that of the same work done otherwise: by wall clock, and by CPU time, which is less noisy."""
        rates = (f"{count / spent.wall:.4g}" for spent in (stage, other))
        return cls(
            what,
            unit,
            *rates,
            f"{other.wall / stage.wall:.2f}",
            f"{other.cpu / stage.cpu:.2f}",
            f">= {bar:g}" if bar else "",
            detail,
        )

    @classmethod
    def like(cls, what: str, unit: str, small: float, large: float, bar: float, detail: str) -> "Row":
        """A cost that should stay what it is where there is more to do; both figures, and the second over the first."""
        return cls(what, unit, f"{large:.4g}", f"{small:.4g}", f"{large / small:.2f}", "", f"<= {bar:g}", detail)

    @classmethod
    def memory(cls, what: str, small: float, large: float, detail: str) -> "Row":
        """The most memory of one job and of one with more to do, in MB; NaN for what could not be measured."""
        if math.isnan(small + large):
            return cls(what, "MB", "", "", "", "", f"<= {GROWTH:g}", "not measured: there is no /proc on this machine")
        return cls.like(what, "MB", small, large, GROWTH, detail)

    @classmethod
    def under(cls, what: str, unit: str, found: float, bar: float, detail: str) -> "Row":
        """A figure that should stay below a bar."""
        return cls(what, unit, f"{found:.3g}", "", "", "", f"< {bar:g}", detail)

    def missed(self) -> str:
        """Return the figures that do not reach the bar, and the bar; '' where all do, or where there is none."""
        if not self.bar:
            return ""
        sign, bar = self.bar.split()
        found = {"": self.ratio or self.zfpipe, " of CPU time": self.ratio_cpu}
        wrong = [f"{value}{of}" for of, value in found.items() if value and not REACHED[sign](float(value), float(bar))]
        return f"{' and '.join(wrong)} ({self.bar})" if wrong else ""


NAMES = [field.name for field in fields(Row)]
HEADINGS = ("what", "unit", "zfpipe", "against", "ratio", "ratio of CPU time", "to reach", "measured")


def markdown(rows: list[Row]) -> str:
    """Return the table, and under it what was not reached, and the machine."""
    lines = [HEADINGS, ["---"] * len(NAMES), *map(astuple, rows)]
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    missed = "; ".join(f"{row.what}: {row.missed()}" for row in rows if row.missed())
    below = f"Not reached: {missed or 'nothing'}.\n\nMachine: {facts}.\n"
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{below}"


def write(folder: Path, name: str, rows: list[Row]) -> None:
    """Write a table as {name}.csv, each row with the machine, and as {name}.md."""
    facts, text = machine(), io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*NAMES, *facts])
    writer.writerows([*astuple(row), *facts.values()] for row in rows)
    write_text(folder / f"{name}.csv", text.getvalue())
    write_text(folder / f"{name}.md", markdown(rows))

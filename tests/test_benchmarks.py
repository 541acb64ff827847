"""What measures zfpipe measures what it says, and docs/performance.md tells of all of it. Nothing is timed here."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import timing
from benchmarks.table import GROWTH, HEADINGS, NAMES, Row, markdown, write
from benchmarks.timing import Spent, fastest, side_by_side

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/performance.md"
QUESTIONS = {name: importlib.import_module(f"benchmarks.{name}") for name in command.QUESTIONS}
ROWS = [
    Row.over("a rate", "images/s", 12, Spent(wall=2, cpu=3), Spent(wall=4, cpu=9), 0.95, "12 images"),
    Row.like("a cost", "MB", 100, 150, 1.1, "few and many"),
    Row.under("a wait", "s", 0.12345, 0.3, "median"),
]


def lines_of(table):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]


def printed():
    """The rows of the page's table."""
    head, _, *rows = lines_of(re.search(r"<!-- table -->(.*)<!-- end -->", PAGE.read_text(), re.DOTALL)[1])
    assert head == list(HEADINGS)
    return [Row(*row) for row in rows]


class Clocks:
    """A clock on the wall and one of the CPU, which stand still but for what candidates say that they take."""

    def __init__(self, monkeypatch):
        self.wall, self.cpu, self.calls = 0.0, 0.0, []
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.wall)
        monkeypatch.setattr(timing, "_cpu", lambda: self.cpu)

    def candidate(self, name, walls, cpus):
        """Return a candidate that takes these seconds, one call after the other."""
        left = list(zip(walls, cpus, strict=True))

        def run():
            wall, cpu = left.pop(0)
            self.wall, self.cpu = self.wall + wall, self.cpu + cpu
            self.calls.append(name)

        return run


@pytest.fixture
def clocks(monkeypatch):
    return Clocks(monkeypatch)


def test_a_rate_over_another_is_above_one_where_zfpipe_is_faster():
    row = ROWS[0]
    assert (row.zfpipe, row.against) == ("6", "3")  # twelve images in two seconds, and in four
    assert (row.ratio, row.ratio_cpu) == ("2.00", "3.00")
    assert row.bar == ">= 0.95"
    assert Row.over("a", "b", 1, Spent(1, 1), Spent(1, 1), None, "").bar == ""


def test_a_cost_over_that_of_less_work_is_above_one_where_it_grows():
    assert (ROWS[1].zfpipe, ROWS[1].against, ROWS[1].ratio, ROWS[1].ratio_cpu) == ("150", "100", "1.50", "")
    assert ROWS[1].bar == "<= 1.1"


def test_a_wait_has_no_other_to_be_held_against():
    assert (ROWS[2].zfpipe, ROWS[2].against, ROWS[2].ratio, ROWS[2].bar) == ("0.123", "", "", "< 0.3")


def test_memory_that_was_not_measured_says_so():
    row = Row.memory("memory", 100, float("nan"), "few and many")
    assert (row.zfpipe, row.ratio, row.bar) == ("", "", f"<= {GROWTH}")
    assert "not measured" in row.detail
    assert Row.memory("memory", 100, 120, "few and many") == Row.like("memory", "MB", 100, 120, GROWTH, "few and many")


def test_the_table_has_a_line_for_each_row_and_the_machine_beneath():
    head, rule, *rows = lines_of(markdown(ROWS))
    assert head == list(HEADINGS)
    assert rule == ["---"] * len(head)
    assert [Row(*row) for row in rows] == ROWS
    assert "\n\nNot reached: a cost: 1.50 (<= 1.1).\n\nMachine: " in markdown(ROWS)
    assert re.search(
        rf"\n\nMachine: .*threads {torch.get_num_threads()}, .*torch {re.escape(timing.version('torch'))}",
        markdown(ROWS),
    )


def test_both_files_hold_the_same_rows(tmp_path):
    write(tmp_path / "new" / "folder", "table", ROWS)
    assert (tmp_path / "new/folder/table.md").read_text() == markdown(ROWS)
    table = pd.read_csv(tmp_path / "new/folder/table.csv", dtype=str, keep_default_na=False)
    assert list(table) == [*NAMES, *timing.machine()]
    assert [Row(*row) for row in table[NAMES].itertuples(index=False)] == ROWS
    assert (table["numpy"] == timing.machine()["numpy"]).all()


def test_candidates_run_once_without_a_clock_and_then_in_turn(clocks):
    spent = side_by_side(
        {
            "a": clocks.candidate("a", [100, 3, 1, 2], [100, 30, 10, 20]),
            "b": clocks.candidate("b", [100, 5, 5, 50], [100, 7, 9, 8]),
        },
        rounds=3,
    )
    assert clocks.calls == ["a", "b"] * 4
    assert spent == {"a": Spent(wall=2, cpu=20), "b": Spent(wall=5, cpu=8)}


def test_the_fastest_is_the_one_with_the_least_cpu_time(clocks):
    slow, fast = clocks.candidate("slow", [1] * 3, [9] * 3), clocks.candidate("fast", [5] * 3, [2] * 3)
    assert fastest({"slow": slow, "fast": fast}) == "fast"


def test_time_of_processes_that_ended_counts():
    before = timing._cpu()
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert timing._cpu() > before + 0.02


def test_every_question_can_be_asked():
    assert command.QUESTIONS[:3] == command.QUICK  # as --help says
    assert set(command.ON_GPU) <= set(command.QUESTIONS)
    for name, module in QUESTIONS.items():
        assert callable(module.measure), name
        assert module.BARS, name


def test_rows_are_held_to_the_bars_of_their_module(tmp_path, monkeypatch):
    startup, reconstruction = QUESTIONS["startup"], QUESTIONS["reconstruction"]
    monkeypatch.setattr(startup.subprocess, "run", lambda *words, **options: None)
    waits = {row.what: row.bar for row in startup.measure(tmp_path, quick=False)}
    assert waits == {what: f"< {bar:g}" for what, bar in startup.BARS.items()}
    layers = [*reconstruction.LAYERS, "all"]
    rows = [
        row for layer in layers for row in reconstruction._rows(layer, "", 8, Spent(1, 2), Spent(5, 6), Spent(3, 4))
    ]
    bars = {what: f">= {bar:g}" if bar else "" for what, bar in reconstruction.BARS.items()}
    others = {what: "" for what in bars if "of an image each" in what or "resnet18" in what}
    assert {row.what: row.bar for row in rows} | others == bars
    assert [(row.ratio, row.ratio_cpu) for row in rows] == [("5.00", "3.00"), ("3.00", "2.00")] * len(layers)


def test_the_command_asks_what_is_named_and_writes_the_table(tmp_path, monkeypatch, capsys):
    asked, names = [], []
    for name, module in QUESTIONS.items():
        monkeypatch.setattr(
            module,
            "measure",
            lambda folder, quick, *where, name=name: asked.append((name, folder.is_dir(), quick)) or ROWS[:1],
        )

    def ask(*words):
        asked.clear()
        threads = ["--threads", str(torch.get_num_threads())]
        monkeypatch.setattr(sys, "argv", ["benchmarks", *words, *threads, "--out", str(tmp_path / "out")])
        command.main()
        (table,) = (tmp_path / "out").glob("*.md")
        assert table.read_text() == markdown(ROWS[:1] * len(asked))
        assert table.with_suffix(".csv").is_file()
        shutil.rmtree(tmp_path / "out")
        names.append(table.stem)
        assert capsys.readouterr().out.startswith(markdown(ROWS[:1] * len(asked)))
        return asked

    assert ask("growth", "startup") == [("growth", True, False), ("startup", True, False)]
    assert ask("--quick") == [(name, True, True) for name in command.QUICK]
    assert ask() == [(name, True, False) for name in command.QUESTIONS]
    assert names == ["growth-startup", "-".join(command.QUICK) + "-quick", "table"]


@pytest.mark.parametrize(
    ("wall", "cpu", "said"),
    [(4, 9, ""), (1.8, 2.9, "0.90 and 0.97 of CPU time (>= 1)"), (1.8, 9, "0.90 (>= 1)"), (2, 3, "")],
)
def test_what_was_not_reached_is_named(wall, cpu, said):
    assert Row.over("a", "b", 1, Spent(2, 3), Spent(wall, cpu), 1, "").missed() == said
    assert Row.over("a", "b", 1, Spent(2, 3), Spent(wall, cpu), None, "").missed() == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["minning"], "The question is 'minning' (did you mean 'mining'?)"),
        (["mining", "--threads", "0"], "threads is 0; it must be at least 1"),
        (["mining", "--out", "{}/file/below"], "Cannot write"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_measured(tmp_path, monkeypatch, words, said):
    (tmp_path / "file").touch()
    monkeypatch.setattr(QUESTIONS["mining"], "measure", lambda *given: pytest.fail("measured"))
    monkeypatch.setattr(sys, "argv", ["benchmarks", *(word.format(tmp_path) for word in words)])
    with pytest.raises(SystemExit, match=re.escape(said)):
        command.main()


def test_a_question_that_is_none_for_a_gpu_is_not_left_out_in_silence(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "prepare_device", lambda *given: torch.device("cuda"))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "packing", "--device", "cuda", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="The question for cuda is 'packing'"):
        command.main()
    assert list(tmp_path.iterdir()) == []


def test_the_page_has_a_row_for_all_that_is_measured_with_the_bar_that_the_code_has():
    bars = {what: bar for module in QUESTIONS.values() for what, bar in module.BARS.items()}
    assert len(bars) == sum(len(module.BARS) for module in QUESTIONS.values())  # no name stands for two
    assert {row.what for row in printed()} == set(bars)
    for row in printed():
        # A rate over another's has two ratios, a cost over that of less work one, and a wait none.
        sign = ">=" if row.ratio_cpu else "<=" if row.ratio else "<"
        assert row.bar == ("" if bars[row.what] is None else f"{sign} {bars[row.what]:g}"), row.what


def test_every_command_that_the_docs_name_is_there():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile"]
    words = "\n".join(page.read_text() for page in pages)
    asked = re.findall(r"python -m (benchmarks[.\w]*) *([a-z]*)", words)
    assert {"benchmarks", "benchmarks.storage", "benchmarks.streaming", "benchmarks.precision"} <= {
        at for at, _ in asked
    }
    for module, question in asked:
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file() or module == "benchmarks", module
        assert module != "benchmarks" or question in ("", *command.QUESTIONS), question


def test_every_target_of_make_that_the_docs_name_is_there():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()) == targets
    words = "\n".join(page.read_text() for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    blocks = "".join(re.findall(r"^```\w*\n(.*?)^```", words, re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"`make ([a-z-]+)", words) + re.findall(r"^make ([a-z-]+)", blocks, re.MULTILINE))
    assert {"demo", "test", "bench", "bench-quick"} <= named
    assert named <= targets

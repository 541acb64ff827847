"""The table of docs/networks.md is what its command prints."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_holds_what_the_command_prints():
    command = [sys.executable, str(DOCS / "make_networks_table.py"), "alexnet", "mobilenet_v3_small", "resnet18"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    page = (DOCS / "networks.md").read_text()
    assert len(printed.splitlines()) == 5
    for line in printed.splitlines():
        assert line in page

"""docs/notebook.ipynb: what stands in it is what docs/make_notebook.py writes, and all of it runs."""

import importlib.util
from pathlib import Path

import nbformat
from test_reading import folder  # noqa: F401

DOCS = Path(__file__).parents[1] / "docs"


def maker():
    spec = importlib.util.spec_from_file_location("make_notebook", DOCS / "make_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notebook_runs_on_a_small_run(folder, tmp_path):  # noqa: F811
    (tmp_path / "results").symlink_to(folder)
    found = maker().notebook()
    (names,) = [cell for cell in found.cells if "RUN, LAYER, UNIT =" in cell.source]
    names.source = 'import zfpipe\nRUN, LAYER, UNIT = "tiny", "conv2", 0'
    done = maker().execute(found, tmp_path)
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert any("<run tiny" in output.get("data", {}).get("text/plain", "") for output in outputs)


def test_the_page_in_docs_is_this_notebook_executed():
    page, fresh = nbformat.read(DOCS / "notebook.ipynb", as_version=4), maker().notebook()
    assert [cell.source for cell in page.cells] == [cell.source for cell in fresh.cells]
    code = [cell for cell in page.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs) == 2
    assert "/tmp/" not in (DOCS / "notebook.ipynb").read_text()

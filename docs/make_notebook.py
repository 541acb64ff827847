"""Write docs/notebook.ipynb, executed on the results of `make demo`.

Usage, in the folder that holds results/: python docs/make_notebook.py [OUT]
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CELLS = [
    """# Results in a notebook

`zfpipe.open` reads a results folder: runs, their layers, their units; tables come as pandas frames, pixels as numpy
arrays, and `show()` is a picture. This page was executed on the results of `make demo`.""",
    """>import zfpipe

RUN, LAYER, UNIT = "zfnet", "conv3", 17""",
    ">results = zfpipe.open('results')\nresults",
    ">run = results[RUN]\nrun",
    "The training, a row an epoch:",
    ">run.metrics[['epoch', 'train_loss', 'val_loss', 'val_top1']].tail(3)",
    "A layer: how many units, what one sees, which are dead.",
    ">layer = run[LAYER]\nprint(layer, layer.receptive_field, 'of', run.topk.input_size, 'px; dead:', layer.dead)",
    "Its strongest activations, a row each. `rank` 0 is a unit's strongest; the box is in pixels of the input.",
    ">top = layer.top()\ntop.head()",
    "So the usual questions are pandas. Which units are most of one class?",
    """>share = top.groupby('unit')['class'].value_counts(normalize=True)
share.sort_values(ascending=False, kind='stable').head(5)""",
    "A unit: projections left, the patches that caused them right; zero is mid-grey.",
    ">layer[UNIT].show()",
    "The arrays behind it, as the files hold them: signed floats, and bytes.",
    """>unit = layer[UNIT]
projection, patch = unit.projection(0), unit.patch(0)
print(projection.shape, projection.dtype, patch.shape, patch.dtype)
print(f'strongest activation {unit.activation[0]:.2f}, in image {unit.image_index[0]}')""",
    "And the whole image, with the place that the unit looked at.",
    """>from PIL import Image, ImageDraw

entry = unit.top().iloc[0]
picture = Image.fromarray(run.image(entry.image_index)).resize((320, 320))
by = 320 / run.topk.input_size[0]
box = [by * edge for edge in (entry.left, entry.top, entry.right, entry.bottom)]
ImageDraw.Draw(picture).rectangle(box, outline='white', width=3)
picture""",
]


def notebook() -> nbformat.NotebookNode:
    """Return the notebook, not executed."""
    found = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for number, text in enumerate(CELLS):
        code = text.startswith(">")
        cell = nbformat.v4.new_code_cell(text[1:]) if code else nbformat.v4.new_markdown_cell(text)
        cell["id"] = f"cell-{number}"  # a random one would make every copy another file
        found.cells.append(cell)
    return found


def execute(found: nbformat.NotebookNode, folder: str | Path = ".") -> nbformat.NotebookNode:
    """Run all cells in `folder`; drop when each ran, and what is there twice (a picture is a PNG and a JPEG)."""
    NotebookClient(found, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in found.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("image/jpeg", None)
    found.metadata.pop("language_info", None)
    return found


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/notebook.ipynb")
    nbformat.write(execute(notebook()), out)

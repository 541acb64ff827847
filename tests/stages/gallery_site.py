"""A small gallery with all that can be awkward: markup in names, dead units, units left out, another run beside it."""

import json

import numpy as np
from small import PACKED, model, pictures

from zfpipe.__main__ import main
from zfpipe.data.packed import write_packed
from zfpipe.files.evolution import Evolution, LayerEvolution, write_evolution
from zfpipe.files.reconstruction import open_reconstruction, select_units
from zfpipe.files.sums import json_with_sum, table_with_sums
from zfpipe.files.topk import COLUMNS, GEOMETRY, LayerTopK, read_topk
from zfpipe.nets.models import save_model

EVIL = "<img src=x onerror=document.title='evil'>"
CLASSES = [f"a {EVIL}", "b</script>", "c & d"]
LAYERS, DEAD, SOME = ("conv1", "conv2", "conv3"), (1, 4), (5, 2, 0)  # SOME: of conv3, these units alone
REPORT = (
    '{"format_version": 2, "splits": {"train": {"images": 20}, "val": {"images": 11}}, "classes": [1, 2, 3], '
    '"findings": [{"name": "low-contrast", "severity": "warning", "meaning": "grey <b>fog</b>", "count": 2}]}'
)
METRICS = (
    "epoch,train_loss,train_top1,val_loss,val_top1,val_top5,learning_rate\n"
    "1,2.5,0.25,2.6,0.2,,0.1\n2,2.0,0.5,2.2,0.45,,0.1\n"
)


def images_file(path, count=11):
    """Write a packed split whose classes and files have names that hold markup."""
    names = [f"val/{EVIL}/{number:02}.png" for number in range(count)]
    labels = [number % len(CLASSES) for number in range(count)]
    kind = {"split": "val", "size": PACKED, "manifest_sha256": "m" * 64}
    write_packed(path, pictures(count), labels, names, CLASSES, **kind)
    return path


def run_files(folder, images, seed, dead):
    """Write model, top-k and reconstructions of a run into `folder`."""
    folder.mkdir()
    save_model(folder / "model.pt", model(seed, dead=dead), epoch=0)
    (folder / "metrics.csv").write_text(table_with_sums(METRICS))
    common = ["--model", folder / "model.pt", "--images", images]
    call("mine", *common, "--layers", *LAYERS, "--k", 4, "--out", folder / "topk.h5")
    for layer in LAYERS:
        units = ["--units", *SOME] if layer == "conv3" else []
        out = ["--topk", folder / "topk.h5", "--layer", layer, "--out", folder / f"{layer}.h5"]
        call("reconstruct", *common, *out, *units)


EPOCHS, FOLLOWED = (1, 2, 5, 10), (5, 0, 1)
RANKS = ((1, 0, 0, 2), (-1, 0, 2, 2), (-1, -1, -1, -1))  # of conv2's entries, one an epoch; -1: silent


def evolution_file(folder, path):
    """Write an evolution file of conv2 whose epochs are some of the entries that were mined; the last unit is dead."""
    topk = read_topk(next(folder.rglob("topk.h5")))
    mined = select_units(topk.layers["conv2"], np.array(FOLLOWED))
    ranks, place = np.array(RANKS), np.arange(len(FOLLOWED))[:, None]
    columns = {
        name: np.where(ranks < 0, 0 if name == "activation" else -1, getattr(mined, name)[place, ranks])
        for name in COLUMNS
    }
    columns = {name: values.astype(COLUMNS[name]) for name, values in columns.items()}
    entries = LayerTopK("conv2", **columns, **{name: getattr(mined, name) for name in GEOMETRY})
    with open_reconstruction(next(folder.rglob("conv2.h5"))) as found:
        pixels = [
            np.stack([kind(unit)[ranks[row]] for row, unit in enumerate(FOLLOWED)])
            for kind in (found.projection, found.patch)
        ]
        label = np.where(ranks < 0, -1, found.label[np.array(FOLLOWED)[:, None], ranks]).astype(np.int32)
        pixels = [values * (ranks >= 0)[..., None, None, None].astype(values.dtype) for values in pixels]
        layer = LayerEvolution(np.array(FOLLOWED, np.int32), entries, label, *pixels, channels=found.channels)
    digests = {"model_sha256": topk.model_sha256, "manifest_sha256": "t" * 64, "key": "0" * 16, "collide": "add"}
    facts = {"images": 20, "looked_at": 20, "seed": 0, "input_size": topk.input_size, "classes": CLASSES}
    write_evolution(path, Evolution(list(EPOCHS), **facts, **digests, layers={"conv2": layer}))
    return path


def made_from(folder):
    """Write all that a gallery is made from; return the options that name it."""
    images_file(folder / "val.h5")
    run_files(folder / "one", folder / "val.h5", 0, DEAD)
    run_files(folder / "other", folder / "val.h5", 1, ())
    (folder / "report.json").write_text(json_with_sum(json.loads(REPORT)))
    (folder / "report.html").write_text("<!doctype html><title>check</title>")
    one, other = folder / "one", folder / "other"
    return [
        *("--run", "one", "--model", one / "model.pt", "--images", folder / "val.h5", "--topk", one / "topk.h5"),
        *("--reconstructions", *(one / f"{layer}.h5" for layer in reversed(LAYERS)), "--metrics", one / "metrics.csv"),
        *("--evolution", evolution_file(one, folder / "evolve.h5")),
        *("--report", folder / "report.json", "--report-page", folder / "report.html"),
        *("--config", '{"model": {"name": "<b>zfnet</b>"}}', "--beside", "other", "--beside-topk", other / "topk.h5"),
        *("--beside-reconstructions", *(other / f"{layer}.h5" for layer in LAYERS)),
        *("--beside-metrics", other / "metrics.csv"),
    ]


def call(*words, status=0):
    assert main([str(word) for word in words]) == status


def cell(site, layout, position, rank):
    """Return a cell (h, w, 3) out of the sheets of a site, as the page's script finds it."""
    from PIL import Image

    (down, across), (rows, columns), (high, wide) = layout["blocks"], layout["block"], layout["stride"]
    number, within = divmod(position, down * across)
    top = (within // across * rows + rank // columns) * high
    left = (within % across * columns + rank % columns) * wide
    sheet = np.asarray(Image.open(site / f"{layout['stem']}-{number}.{layout['kind']}"))
    return sheet[top : top + layout["cell"][0], left : left + layout["cell"][1]]

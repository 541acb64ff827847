"""Results for notebooks: runs, layers, units, their strongest activations as a table, their pictures as arrays.

    results = zfpipe.open("results")      # its runs, by name
    run = results["zfnet"]                # its layers, by name; run.metrics, run.image(index), run.evolve()
    layer = run["conv3"]                  # its units, by number; layer.top()
    unit = layer[17]                      # unit.projection(0), unit.patch(0), unit.show()

Nothing is held open: each call reads what it needs and closes the file. Ranks count from 0, the strongest; sizes and
positions are (down, across) in pixels of the network's input; a box is top, left, bottom, right.
"""

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from zfpipe.data.decode import centre_crop
from zfpipe.data.packed import Packed, open_packed
from zfpipe.data.sizes import pair
from zfpipe.errors import UserError, nearest
from zfpipe.files.digest import sha256_file
from zfpipe.files.evolution import Evolution, read_evolution
from zfpipe.files.histogram import EDGES
from zfpipe.files.reconstruction import Reconstruction, open_reconstruction
from zfpipe.files.sums import SUMS, read_table
from zfpipe.files.topk import LayerTopK, TopK, read_topk
from zfpipe.pictures.pairs import pairs_picture

TOPK = "mine/topk.h5"


class Absent(UserError, KeyError):
    """There is no such run, layer, unit, rank or image; `in` and `get` take it as Python's own KeyError."""

    __str__ = Exception.__str__  # KeyError's would put the sentence in quotes


def open_results(results: str | Path = "results") -> "Results":
    """Return the results in a folder. Raises UserError if there is no finished run in it."""
    return Results(results)


class Results(Mapping[str, "Run"]):
    """The finished runs of a results folder, by name, in the order of their names."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).expanduser()
        names = sorted(path.parents[1].name for path in self.folder.glob(f"*/{TOPK}"))
        if not names:
            raise UserError(f"There is no run in {self.folder}: no file {self.folder}/RUN/{TOPK}; run snakemake first.")
        self._runs = {name: Run(self.folder / name) for name in names}

    def __getitem__(self, name: str) -> "Run":
        if name not in self._runs:
            raise Absent(f"There is no run {name!r} in {self.folder}{nearest(name, self)}; it has {', '.join(self)}.")
        return self._runs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        return f"<results {self.folder}: {', '.join(self)}>"


class Run(Mapping[str, "Layer"]):
    """A run: its layers, by name, in the order of the network."""

    def __init__(self, folder: Path):
        self.folder, self.name = folder, folder.name

    @cached_property
    def topk(self) -> TopK:
        """The whole top-k file: arrays of all layers, and what they were made from. Damage to it is a UserError."""
        return read_topk(self.folder / TOPK)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row an epoch: losses, parts of 1 that are right, learning rate. Empty for weights taken as they are.

        Damage to the file is a UserError.
        """
        path = self.folder / "train/metrics.csv"
        if not path.exists():
            raise UserError(f"There is no file {path}; the stage train makes it.")
        read_table(path)  # or it is refused
        return pd.read_csv(path, usecols=lambda name: name not in SUMS)

    @cached_property
    def evolution(self) -> Evolution:
        """Some units through training, with their pixels. Raises UserError if the file is missing, damaged or stale."""
        found = read_evolution(self.folder / "evolve/evolve.h5")
        if found.model_sha256 != self.topk.model_sha256:
            raise UserError(f"{self.folder}/evolve/evolve.h5 is of other weights than {TOPK} there; run snakemake.")
        return found

    def evolve(self) -> pd.DataFrame:
        """Return these units through training, a row for each epoch at which an image excites the unit.

        Columns: layer, unit, epoch, activation, train_index (of the training split, which `image` does not read), class
        (or None), changed (whether it is another image than at the epoch before), row and col in the map.
        """
        tables, classes = [], np.array([*self.evolution.classes, None], object)
        for name, layer in self.evolution.layers.items():
            at = np.nonzero(layer.entries.present)
            table = {"layer": name, "unit": layer.unit[at[0]], "epoch": np.array(self.evolution.epochs)[at[1]]}
            table |= {"activation": layer.entries.activation[at], "train_index": layer.entries.image_index[at]}
            table |= {"class": classes[layer.label[at]], "changed": layer.changed[at]}
            tables.append(pd.DataFrame(table | {key: getattr(layer.entries, key)[at] for key in ("row", "col")}))
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def paths(self) -> list[str] | None:
        """The file of each validation image, below the data set's root; None where the packed images are gone."""
        with self._packed() as packed:
            return packed and packed.paths

    @cached_property
    def labels(self) -> list[str] | None:
        """The class of each validation image; None where the packed images are gone."""
        with self._packed() as packed:
            return packed and [packed.classes[label] for label in packed.labels]

    def image(self, index: int) -> np.ndarray:
        """Return validation image `index` as the network sees it, (H, W, C) uint8, before mean and std.

        Raises UserError if there is no such image, or if the packed images are gone.
        """
        from zfpipe.files import checkpoint  # here, since torch takes seconds to import

        if not 0 <= index < self.topk.images:
            raise Absent(f"{self.name} has no image {index}; its images are 0 to {self.topk.images - 1}.")
        size = pair(checkpoint.load(self.folder / "train/model.pt", "model")["packed_size"])
        with self._packed(size) as packed:
            if packed is None:
                raise UserError(f"The packed images of {self.name} are gone from {self.folder.parent / 'data'}.")
            return centre_crop(packed.read_rows([index]), self.topk.input_size)[0]

    @contextmanager
    def _packed(self, size: tuple[int, int] | None = None) -> Iterator[Packed | None]:
        """Yield the packed split that was mined, of one size if that matters, or None."""
        for path in sorted(self.folder.parent.glob("data/*/pack/*/val.h5")):
            with open_packed(path) as packed:
                if packed.manifest_sha256 == self.topk.manifest_sha256 and size in (None, packed.size):
                    yield packed
                    return
        yield None

    def __getitem__(self, name: str) -> "Layer":
        if name not in self.topk.layers:
            raise Absent(f"{self.name} has no layer {name!r}{nearest(name, self)}; it has {', '.join(self)}.")
        return Layer(self, self.topk.layers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.topk.layers)

    def __len__(self) -> int:
        return len(self.topk.layers)

    def __repr__(self) -> str:
        return f"<run {self.name}: {', '.join(self)}; {self.topk.images} images>"


class Layer:
    """A layer: its units, by number.

    `receptive_field`, `jump` and `map_size` are pairs; `dead` lists the units that no image excites.
    """

    def __init__(self, run: Run, mined: LayerTopK):
        self.run, self.mined, self.name = run, mined, mined.name
        self.receptive_field, self.jump, self.map_size = mined.receptive_field, mined.jump, mined.map_size
        self.dead: list[int] = np.flatnonzero(mined.dead).tolist()

    def top(self, units: int | Sequence[int] | None = None) -> pd.DataFrame:
        """Return the strongest activations, a row each: of all units, or of one or those named.

        Columns: unit, rank, activation, image_index, class and path (None where the packed images are gone), row and
        col in the map, and the box of the patch: top, left, bottom, right. Dead units have no row.
        """
        named = units if isinstance(units, Iterable) else [units]
        chosen = np.arange(len(self)) if units is None else np.array([self._number(unit) for unit in named], int)
        place, rank = np.nonzero(self.mined.present[chosen])
        unit = chosen[place]
        boxes = self.mined.boxes(self.run.topk.input_size)[unit, rank]
        index = self.mined.image_index[unit, rank]
        table = {"unit": unit, "rank": rank, "activation": self.mined.activation[unit, rank], "image_index": index}
        for column, names in (("class", self.run.labels), ("path", self.run.paths)):
            table[column] = [None if names is None else names[number] for number in index]
        table |= {"row": self.mined.row[unit, rank], "col": self.mined.col[unit, rank]}
        edges = dict(zip(("top", "left", "bottom", "right"), boxes.T, strict=True))
        return pd.DataFrame(table | edges)

    def __getitem__(self, number: int) -> "Unit":
        return Unit(self, self._number(number))

    def __len__(self) -> int:
        return len(self.mined.row)

    def __iter__(self) -> Iterator["Unit"]:
        return (Unit(self, number) for number in range(len(self)))

    def _number(self, number: int) -> int:
        try:
            found = operator.index(number)
        except TypeError as error:
            raise UserError(f"A unit of {self.name} is a whole number, not {number!r}.") from error
        if not 0 <= found < len(self):
            raise Absent(f"{self.name} has no unit {found}; its units are 0 to {len(self) - 1}.")
        return found

    @contextmanager
    def reconstruction(self) -> Iterator[Reconstruction]:
        """Yield the layer's reconstruction file, open. Raises UserError if it is missing, damaged or stale."""
        topk, path = self.run.folder / TOPK, self.run.folder / f"reconstruct/{self.name}.h5"
        with open_reconstruction(path) as found:
            if found.topk_sha256 != sha256_file(topk):
                raise UserError(f"{path} is stale: it was made from another top-k file than {topk}; run snakemake.")
            yield found

    def __repr__(self) -> str:
        return f"<layer {self.name} of {self.run.name}: {len(self)} units, {len(self.dead)} dead>"


class Unit:
    """A unit, that is, a feature map: `number` in its `layer`, and its n strongest activations (n is 9, or fewer).

    `activation` (n,) float32, strongest first, and `image_index` (n,) int64.
    """

    def __init__(self, layer: Layer, number: int):
        self.layer, self.number = layer, number
        present = layer.mined.present[number]
        self.activation: np.ndarray = layer.mined.activation[number][present]
        self.image_index: np.ndarray = layer.mined.image_index[number][present]

    def top(self) -> pd.DataFrame:
        """Return the strongest activations, a row each, as `Layer.top` does."""
        return self.layer.top([self.number])

    def histogram(self) -> pd.DataFrame:
        """Return how many images excite the unit how strongly, a row a bin: `low`, `high` and `images`.

        An image counts once, by its largest activation. The first row, 0 to 0, counts those that do not excite it. Bins
        are an eighth of an octave wide, from the lowest to the highest that any image is in.
        """
        counts = self.layer.mined.histogram
        if counts is None:
            raise UserError(f"{self.layer.run.folder / TOPK} holds no histograms: an older zfpipe made it; mine again.")
        silent, *counts = counts[self.number].tolist()
        used = np.flatnonzero(counts)
        bins = slice(used.min(initial=len(counts)), used.max(initial=-1) + 1)
        low, high = EDGES[:-1][bins], EDGES[1:][bins]
        return pd.DataFrame({"low": [0, *low], "high": [0, *high], "images": [silent, *counts[bins]]})

    def projection(self, rank: int) -> np.ndarray:
        """Return what the deconvnet makes of the activation at `rank`: (h, w, C) float32, signed, 0 is nothing."""
        with self._found() as (found, position):
            return found.projection(position)[self._rank(rank)]

    def patch(self, rank: int) -> np.ndarray:
        """Return the image patch that caused the activation at `rank`: (h, w, C) uint8, 0 past the border."""
        with self._found() as (found, position):
            return found.patch(position)[self._rank(rank)]

    def show(self, scale: int | None = None) -> Image.Image:
        """Return a picture of all pairs, projection left of patch, strongest first; notebooks show it inline.

        `scale` enlarges each pixel of the input; None chooses one that makes a pair about 260 pixels wide.
        """
        if (scale or 1) < 1:
            raise UserError(f"scale is {scale}; it has to be at least 1.")
        with self._found() as (found, position):
            ranks = range(len(self.activation))
            pixels = found.projection(position)[ranks], found.patch(position)[ranks]
            return pairs_picture(*pixels, found.box[position][ranks], found.input_size, scale)

    @contextmanager
    def _found(self) -> Iterator[tuple[Reconstruction, int]]:
        with self.layer.reconstruction() as found:
            positions = np.flatnonzero(found.unit == self.number)
            if not len(positions):
                raise Absent(f"{found.path} lacks unit {self.number}: `reconstruct.units` of the config left it out.")
            yield found, int(positions[0])

    def _rank(self, rank: int) -> int:
        if not 0 <= rank < len(self.activation):
            left = f"its ranks are 0 to {len(self.activation) - 1}" if len(self.activation) else "it is dead"
            raise Absent(f"{self} has no rank {rank}; {left}.")
        return rank

    def __repr__(self) -> str:
        return f"<unit {self.number} of {self.layer.name}, {self.layer.run.name}>"

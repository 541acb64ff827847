"""Published data sets as torchvision's own classes find them below a root: their files listed, or their arrays read."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from zfpipe.data.folder import Listed, Listing
from zfpipe.errors import UserError


@dataclass(frozen=True)
class Published:
    """One data set: torchvision's class for it, what has to be below the root, and what plays train and val."""

    kind: str  # name in torchvision.datasets
    needs: tuple[str, ...]  # below the root; {size} is what the variant stands for
    splits: dict[str, Any]  # train, val -> torchvision's own word; empty where the set has no split
    names: Callable[[Any], list[str]]  # class names in the order of torchvision's labels
    argument: str = "split"
    arrays: bool = False  # images in arrays, not in files
    gigabytes: float = 0  # to fetch; 0: cannot be fetched
    variants: tuple[tuple[str, str, Any], ...] = ()  # name, what stands for {size}, torchvision's own value
    variant_argument: str = ""
    images: tuple[int, ...] = ()  # how many each split has, in the order of `splits`; one number where there is none


def _wordnet_names(dataset: Any) -> list[str]:
    """Begin with the WordNet id: it sorts as ImageNet's labels do, and tells ImageNet's two cranes apart."""
    return [f"{wnid} {names[0]}" for wnid, names in zip(dataset.wnids, dataset.classes, strict=True)]


def _flower_names(dataset: Any) -> list[str]:
    return list(getattr(dataset, "classes", [f"flower {number:03d}" for number in range(1, 103)]))


def _place_names(dataset: Any) -> list[str]:
    """'/a/airport/indoor' becomes 'airport/indoor'."""
    by_label = sorted((label, name) for name, label in dataset.class_to_idx.items())
    return [name.split("/", 2)[2] for _, name in by_label]


def _classes(dataset: Any) -> list[str]:
    return list(dataset.classes)


def _categories(dataset: Any) -> list[str]:
    return list(dataset.categories)


def _digits(dataset: Any) -> list[str]:
    return list("0123456789")


TRAIN_TEST = {"train": "train", "val": "test"}
TRAIN_VAL = {"train": "train", "val": "val"}
CIFAR = {"train": True, "val": False}

PUBLISHED = {
    "cifar10": Published("CIFAR10", ("cifar-10-batches-py",), CIFAR, _classes, "train", True, 0.2),
    "cifar100": Published("CIFAR100", ("cifar-100-python",), CIFAR, _classes, "train", True, 0.2),
    "stl10": Published(
        "STL10", ("stl10_binary", "stl10_binary/class_names.txt"), TRAIN_TEST, _classes, arrays=True, gigabytes=2.6
    ),
    "svhn": Published("SVHN", ("train_32x32.mat", "test_32x32.mat"), TRAIN_TEST, _digits, arrays=True, gigabytes=0.25),
    "flowers102": Published(
        "Flowers102",
        ("flowers-102/jpg", "flowers-102/imagelabels.mat", "flowers-102/setid.mat"),
        TRAIN_VAL,
        _flower_names,
        gigabytes=0.35,
        images=(1_020, 1_020),
    ),
    "food101": Published(
        "Food101", ("food-101/meta", "food-101/images"), TRAIN_TEST, _classes, gigabytes=5, images=(75_750, 25_250)
    ),
    "caltech101": Published(
        "Caltech101",
        ("caltech101/101_ObjectCategories/BACKGROUND_Google",),
        {},
        _categories,
        gigabytes=0.14,
        images=(8_677,),
    ),
    "caltech256": Published(
        "Caltech256", ("caltech256/256_ObjectCategories",), {}, _categories, gigabytes=1.2, images=(30_607,)
    ),
    "imagenette": Published(
        "Imagenette",
        ("imagenette2{size}/train", "imagenette2{size}/val"),
        TRAIN_VAL,
        _wordnet_names,
        gigabytes=1.6,
        variants=(("full", "", "full"), ("320px", "-320", "320px"), ("160px", "-160", "160px")),
        variant_argument="size",
        images=(9_469, 3_925),
    ),
    "imagenet": Published(
        "ImageNet", ("meta.bin", "train", "val"), TRAIN_VAL, _wordnet_names, images=(1_281_167, 50_000)
    ),
    "places365": Published(
        "Places365",
        (
            "categories_places365.txt",
            "places365_train_standard.txt",
            "places365_val.txt",
            "data_{size}_standard",
            "val_{size}",
        ),
        {"train": "train-standard", "val": "val"},
        _place_names,
        gigabytes=110,
        variants=(("large", "large", False), ("256", "256", True)),
        variant_argument="small",
        images=(1_803_460, 36_500),
    ),
}
IN_ARRAYS = tuple(name for name, published in PUBLISHED.items() if published.arrays)
IN_FILES = tuple(name for name, published in PUBLISHED.items() if not published.arrays)


def list_published(name: str, root: Path, download: bool = False, variant: str | None = None) -> Listing:
    """List a data set of IN_FILES as torchvision does; nothing is copied. A set without splits leaves them to zfpipe.

    Raises UserError that says what was looked for, where, and how to get it.
    """
    published = PUBLISHED[name]
    listing = Listing(tuple(published.splits), layout="split as published" if published.splits else "split by zfpipe")
    for split, dataset in _opened(name, root, download, variant):
        names = published.names(dataset)
        for path, label in _samples(dataset):
            relative = Path(path).relative_to(root).as_posix()
            listing.files.append(Listed(relative, names[label], split))
    listing.expected = dict(zip(published.splits or (None,), published.images, strict=True))
    listing.files.sort(key=lambda file: file.path.encode("utf-8", "surrogateescape"))
    listing.folders = sorted({(file.split, file.class_name) for file in listing.files}, key=str)
    return listing


def arrays_of(
    name: str, root: Path, download: bool = False, split: str | None = None
) -> Iterator[tuple[str, str, int, Image.Image]]:
    """Yield (split, class, place in torchvision's order, image) of a data set of IN_ARRAYS, of one split or of both."""
    published = PUBLISHED[name]
    for side, dataset in _opened(name, root, download, None, split):
        names = published.names(dataset)
        for place in range(len(dataset)):
            image, label = dataset[place]
            yield side, names[label], place, image


def variant_of(name: str, variant: str | None) -> tuple[str, Any]:
    """Return what stands for {size} in a set's folders, and torchvision's value; the first variant is the default."""
    variants = PUBLISHED[name].variants
    if not variants and variant is not None:
        raise UserError(f"{name} has no variants, and {variant!r} was asked for.")
    for word, size, value in variants:
        if variant in (None, word):
            return size, value
    if variants:
        raise UserError(f"The variant of {name} is {variant!r}; it can be: {', '.join(word for word, *_ in variants)}.")
    return "", None


def _opened(
    name: str, root: Path, download: bool, variant: str | None, only: str | None = None
) -> Iterator[tuple[str | None, Any]]:
    """Yield (split, torchvision's data set). torchvision compares checksums where it knows some."""
    published = PUBLISHED[name]
    size, value = variant_of(name, variant)
    needs = [need.format(size=size) for need in published.needs]
    missing = [need for need in needs if not (root / need).exists()]
    if missing and not download:
        missing = f"missing: {', '.join(missing)}{_other_variant(name, root, size)}"
        raise UserError(f"{_not_there(name, root, needs)}; {missing}. {_how_to_get(name)}")
    import torchvision  # here, since it takes seconds

    options = {published.variant_argument: value} if published.variants else {}
    if published.gigabytes:
        options["download"] = download
    for split, word in published.splits.items() or ((None, None),):
        if only not in (None, split):
            continue
        chosen = options | ({published.argument: word} if split else {})
        try:
            yield split, getattr(torchvision.datasets, published.kind)(str(root), **chosen)
        except (RuntimeError, OSError, ValueError) as error:
            # Its own advice is about its Python arguments.
            reason = re.split(r"\n|\. You can use download|, you can use download", str(error))[0].rstrip(".")
            if "corrupted" in reason:
                reason = "a file is missing, or its checksum is not the published one"
            at = _not_there(name, root, needs)
            raise UserError(f"{at}; torchvision says: {reason}. {_how_to_get(name)}") from error


def _not_there(name: str, root: Path, needs: list[str]) -> str:
    kind = PUBLISHED[name].kind
    return f"{root} holds no whole {kind}: looked for {', '.join(needs)}"


def _other_variant(name: str, root: Path, asked: str) -> str:
    """Return a hint if another variant of the set is there."""
    for word, size, _ in PUBLISHED[name].variants:
        if size != asked and all((root / need.format(size=size)).exists() for need in PUBLISHED[name].needs):
            return f" (the variant {word} is there: set `variant: {word}`)"
    return ""


def _how_to_get(name: str) -> str:
    gigabytes = PUBLISHED[name].gigabytes
    if gigabytes:
        return f"`download: true` fetches it (up to {gigabytes:g} GB); or name the folder that holds it as `root`."
    return (
        "ImageNet cannot be fetched: put ILSVRC2012_devkit_t12.tar.gz, ILSVRC2012_img_train.tar and "
        "ILSVRC2012_img_val.tar from image-net.org there, and `download: true` lets torchvision unpack them; a folder "
        "{train,val}/n01440764/*.JPEG that you have already is `source: folder`."
    )


def _samples(dataset: Any) -> Iterator[tuple[str, int]]:
    for listed in ("samples", "imgs", "_samples"):
        if hasattr(dataset, listed):
            yield from getattr(dataset, listed)
            return
    if hasattr(dataset, "_image_files"):
        yield from zip(dataset._image_files, dataset._labels, strict=True)
        return
    yield from _caltech(dataset)


def _caltech(dataset: Any) -> Iterator[tuple[str, int]]:
    folders = next(Path(dataset.root).glob("*_ObjectCategories"))
    numbered = folders.name.startswith("256")
    for label, number in zip(dataset.y, dataset.index, strict=True):
        file = f"{label + 1:03d}_{number:04d}.jpg" if numbered else f"image_{number:04d}.jpg"
        yield str(folders / dataset.categories[label] / file), label

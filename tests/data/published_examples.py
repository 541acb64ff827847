"""Tiny data sets in each one's own layout on the disk; torchvision's checksums are replaced by those of the copies."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import torch
import torchvision
from image_examples import noise, save
from scipy.io import savemat


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def cifar(root: Path, monkeypatch, hundred: bool = False) -> dict:
    kind = torchvision.datasets.CIFAR100 if hundred else torchvision.datasets.CIFAR10
    base = root / kind.base_folder
    base.mkdir(parents=True)
    generator = np.random.default_rng(0)
    key, names = ("fine_labels", ["apple", "bear"]) if hundred else ("labels", ["airplane", "bird"])
    pixels = {}
    for listed, split in (("train_list", "train"), ("test_list", "val")):
        entries, images = [], []
        for name, _ in getattr(kind, listed):
            data = generator.integers(0, 256, (2, 3072), dtype=np.uint8)
            (base / name).write_bytes(pickle.dumps({"data": data, key: [0, 1]}))
            entries.append([name, md5(base / name)])
            images += list(data.reshape(2, 3, 32, 32).transpose(0, 2, 3, 1))
        monkeypatch.setattr(kind, listed, entries)
        pixels[split] = images
    meta = base / kind.meta["filename"]
    meta.write_bytes(pickle.dumps({kind.meta["key"]: names}))
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(meta)})
    return {(split, names[i % 2], i): image for split in pixels for i, image in enumerate(pixels[split])}


def cifar100(root: Path, monkeypatch) -> dict:
    return cifar(root, monkeypatch, hundred=True)


def stl10(root: Path, monkeypatch) -> dict:
    kind = torchvision.datasets.STL10
    base = root / "stl10_binary"
    base.mkdir(parents=True)
    (base / "class_names.txt").write_text("airplane\nbird\n")
    pixels = {}
    for listed, split in (("train_list", "train"), ("test_list", "val")):
        data = np.random.default_rng(len(split)).integers(0, 256, (3, 3, 96, 96), dtype=np.uint8)
        entries = []
        for name, _ in getattr(kind, listed):
            content = data if name.endswith("X.bin") else np.array([1, 2, 1], np.uint8)
            (base / name).write_bytes(content.tobytes())
            entries.append([name, md5(base / name)])
        monkeypatch.setattr(kind, listed, entries)
        pixels[split] = data.transpose(0, 3, 2, 1)  # stored column by column
    names = ["airplane", "bird", "airplane"]
    return {(split, names[i], i): image for split in pixels for i, image in enumerate(pixels[split])}


def svhn(root: Path, monkeypatch) -> dict:
    kind = torchvision.datasets.SVHN
    root.mkdir(parents=True, exist_ok=True)
    expected, table = {}, {}
    for word, split in (("train", "train"), ("test", "val")):
        data = np.random.default_rng(len(split)).integers(0, 256, (32, 32, 3, 2), dtype=np.uint8)
        url, name, _ = kind.split_list[word]
        savemat(root / name, {"X": data, "y": np.array([[10], [7]])})  # 10 stands for the digit 0
        table[word] = [url, name, md5(root / name)]
        expected |= {(split, digit, i): data[..., i] for i, digit in enumerate("07")}
    monkeypatch.setattr(kind, "split_list", table)
    return expected


def flowers102(root: Path, monkeypatch) -> set:
    kind = torchvision.datasets.Flowers102
    base = root / "flowers-102"
    for number in range(1, 6):
        save(noise(number), base / f"jpg/image_{number:05d}.jpg")
    savemat(base / "imagelabels.mat", {"labels": [[1, 2, 1, 2, 102]]})
    savemat(base / "setid.mat", {"trnid": [[1, 2]], "valid": [[3, 4]], "tstid": [[5, 5]]})
    files = {name: (file, md5(base / file) if name != "image" else "") for name, (file, _) in kind._file_dict.items()}
    monkeypatch.setattr(kind, "_file_dict", files)
    names = ["pink primrose", "hard-leaved pocket orchid"] * 2
    sides = ["train", "train", "val", "val"]
    return {(sides[i], f"flowers-102/jpg/image_{i + 1:05d}.jpg", names[i]) for i in range(4)}


def food101(root: Path, monkeypatch) -> set:
    base = root / "food-101"
    (base / "meta").mkdir(parents=True)
    expected = set()
    for word, split in (("train", "train"), ("test", "val")):
        listed = {name: [f"{name}/{len(word)}{i}" for i in range(2)] for name in ("waffles", "beignets")}
        (base / f"meta/{word}.json").write_text(json.dumps(listed))
        for name, paths in listed.items():
            for path in paths:
                save(noise(len(path)), base / f"images/{path}.jpg")
                expected.add((split, f"food-101/images/{path}.jpg", name))
    return expected


def caltech101(root: Path, monkeypatch) -> set:
    base = root / "caltech101/101_ObjectCategories"
    save(noise(0), base / "BACKGROUND_Google/image_0001.jpg")
    for name in ("accordion", "yin_yang"):
        for i in (1, 2):
            save(noise(i), base / f"{name}/image_{i:04d}.jpg")
    return {
        (None, f"caltech101/101_ObjectCategories/{name}/image_{i:04d}.jpg", name)
        for name in ("accordion", "yin_yang")
        for i in (1, 2)
    }


def caltech256(root: Path, monkeypatch) -> set:
    base = root / "caltech256/256_ObjectCategories"
    expected = set()
    for label, name in ((1, "001.ak47"), (2, "002.american-flag")):
        for i in (1, 2):
            save(noise(i), base / f"{name}/{label:03d}_{i:04d}.jpg")
            expected.add((None, f"caltech256/256_ObjectCategories/{name}/{label:03d}_{i:04d}.jpg", name))
    return expected


def imagenette(root: Path, monkeypatch, size: str = "") -> set:
    expected = set()
    for split in ("train", "val"):
        for wnid, name in (("n01440764", "tench"), ("n03888257", "parachute")):
            path = f"imagenette2{size}/{split}/{wnid}/{wnid}_{split}.JPEG"
            save(noise(len(name)), root / path, format="JPEG")
            expected.add((split, path, f"{wnid} {name}"))
    return expected


def imagenet(root: Path, monkeypatch) -> set:
    expected = set()
    for split in ("train", "val"):
        for wnid in ("n02012849", "n03126707"):  # a bird and a machine, both called crane
            path = f"{split}/{wnid}/{wnid}_{split}.JPEG"
            save(noise(len(split)), root / path, format="JPEG")
            expected.add((split, path, f"{wnid} crane"))
    wnids = {"n02012849": ("crane",), "n03126707": ("crane",)}
    torch.save((wnids, ["n02012849", "n03126707"]), root / "meta.bin")
    return expected


def places365(root: Path, monkeypatch, size: str = "large") -> set:
    kind = torchvision.datasets.Places365
    root.mkdir(parents=True, exist_ok=True)
    (root / "categories_places365.txt").write_text("/a/airfield 0\n/a/airport/indoor 1\n")
    train, val = "/a/airfield/1.jpg 0\n/a/airport/indoor/1.jpg 1\n", "val_1.jpg 1\nval_2.jpg 0\n"
    (root / "places365_train_standard.txt").write_text(train)
    (root / "places365_val.txt").write_text(val)
    lists = {
        word: (name, md5(root / name) if (root / name).exists() else "")
        for word, (name, _) in kind._FILE_LIST_META.items()
    }
    monkeypatch.setattr(kind, "_FILE_LIST_META", lists)
    monkeypatch.setattr(kind, "_CATEGORIES_META", ("categories_places365.txt", md5(root / "categories_places365.txt")))
    expected = {
        ("train", f"data_{size}_standard/a/airfield/1.jpg", "airfield"),
        ("train", f"data_{size}_standard/a/airport/indoor/1.jpg", "airport/indoor"),
        ("val", f"val_{size}/val_1.jpg", "airport/indoor"),
        ("val", f"val_{size}/val_2.jpg", "airfield"),
    }
    for _, path, _ in expected:
        save(noise(len(path)), root / path)
    return expected

"""Small real image files of every kind, made by the tests."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, height: int = 40, width: int = 50) -> Image.Image:
    """A picture of its own for each seed, (height, width) pixels, RGB."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def corners(height: int = 40, width: int = 60) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right: shows any turn or flip."""
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    pixels[:top, :left] = 255, 0, 0
    pixels[:top, left:] = 0, 255, 0
    pixels[top:, :left] = 0, 0, 255
    pixels[top:, left:] = 255, 255, 255
    return Image.fromarray(pixels)


def save(image: Image.Image, path: Path, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def folder(root: Path, files: dict[str, int]) -> Path:
    """Make an image folder: path -> seed of its picture (equal seeds are copies)."""
    for path, seed in files.items():
        save(noise(seed), root / path)
    return root


def plain(root: Path, classes: str = "ab", each: int = 2) -> Path:
    """An image folder with both splits and nothing to find."""
    names = [f"{split}/{name}/{i}.png" for split in ("train", "val") for name in classes for i in range(each)]
    return folder(root, {path: seed for seed, path in enumerate(names)})


def truncated_jpeg(path: Path, part: float = 0.5) -> Path:
    data = io.BytesIO()
    noise(99).save(data, "JPEG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.getvalue()[: int(part * len(data.getvalue()))])
    return path


def png(path: Path, width: int, height: int, depth: int, colour: int, raw: bytes) -> Path:
    """Write a PNG by hand, in a form that Pillow cannot write (16-bit colour) or that lies about its size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path

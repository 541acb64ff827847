"""Pages for people: one HTML file each, with its style and pictures inside; no network, no script, names escaped."""

import base64
import io
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from PIL import Image

from zfpipe.data.names import printable

STYLE = "style.css.j2"
THUMBNAIL = 112  # pixels of the longer side


def render(template: str, **facts: Any) -> str:
    """Fill a template of this folder in. The same facts give the same bytes."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["printable"] = printable
    return environment.from_string(_text(template)).render(**facts, style=_text(STYLE))


def thumbnail(image: Image.Image) -> str:
    """Return a small copy of an RGB image as a data URI, to stand in a page; its longer side is THUMBNAIL pixels."""
    return copy_of(image, THUMBNAIL, THUMBNAIL, quality=75)


def copy_of(image: Image.Image, width: int, height: int = 1 << 16, quality: int = 85) -> str:
    """Return an RGB image, made smaller where it is larger than this, as a data URI to stand in a page."""
    image = image.copy()
    image.thumbnail((width, height))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _text(name: str) -> str:
    return resources.files("zfpipe.data").joinpath(name).read_text("utf-8")

"""The files of the page. Each is named here, so that the digest of the stage's code sees it change."""

from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from zfpipe.data.names import printable

TEMPLATES = ("index.html.j2", "overview.html.j2", "help.html.j2")
STYLES = ("base.css", "overview.css", "views.css")
SCRIPTS = (
    "core.js",
    "pictures.js",
    "order.js",
    "layer.js",
    "about.js",
    "epochs.js",
    "unit.js",
    "image.js",
    "compare.js",
    "main.js",
)


def page(**facts: Any) -> str:
    """Return index.html. Whatever a name holds is escaped; the same facts give the same text."""
    environment = Environment(
        loader=DictLoader({name: text(name) for name in TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    return environment.get_template(TEMPLATES[0]).render(**facts, styles=STYLES, scripts=SCRIPTS)


def text(name: str) -> str:
    """Return a file of this folder."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")

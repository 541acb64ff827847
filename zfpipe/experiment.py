"""The config as plain dicts: checked against its schema, with every default filled in. Used by the Snakefile alone."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from zfpipe.errors import UserError, nearest
from zfpipe.nets.names import DEFAULT_SIZE, OWN_LAYERS

SECTIONS = ("pack", "train", "mine", "reconstruct", "figure", "view")


def load(config: dict[str, Any], schema_path: str | Path) -> dict[str, Any]:
    """Return {'device', 'datasets': {name: ...}, 'runs': {name: ...}} with every key that a stage needs.

    A run's own keys go over the top-level ones, those over the schema's defaults.
    Raises UserError that names the key, the value and what would be right.
    """
    schema = yaml.safe_load(Path(schema_path).read_text())
    config = _numbers(copy.deepcopy(config), schema, schema)
    _validate(config, schema)
    top = _filled(config, schema, schema)
    names = top["only"] if top["only"] is not None else list(top["runs"])
    for name in names:
        _one_of("only", name, top["runs"])
    runs = {name: _run(name, top, config["runs"][name]) for name in names}
    used = {run["dataset"] for run in runs.values()}
    datasets = {name: _dataset(name, top, config["datasets"][name]) for name in top["datasets"] if name in used}
    return {"device": top["device"], "datasets": datasets, "runs": runs}


def packed_size(run: dict[str, Any]) -> int:
    """Return the side of a run's packed images: its own setting, or 8/7 of the input (the paper's 256 for 224)."""
    return run["pack"]["size"] or -(-run["model"]["input_size"] * 8 // 7)


def layer_names(run: dict[str, Any]) -> list[str]:
    """Return a run's layers; `all` is spelled out. A network that is not our own is built and traced for that."""
    known = OWN_LAYERS.get(run["model"]["name"]) or _traced_layers(run["model"])
    if run["layers"] == "all":
        return list(known)
    for name in run["layers"]:
        _one_of("layers", name, known)
    return [name for name in known if name in run["layers"]]


def _run(name: str, top: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    run = copy.deepcopy(top["runs"][name])
    _one_of(f"runs.{name}.dataset", run["dataset"], top["datasets"])
    run["model"].setdefault("input_size", DEFAULT_SIZE.get(run["model"]["name"], 224))
    for section in SECTIONS:
        run[section] = _over(top[section], own.get(section, {}))
    if run["train"]["epochs"] == 0 and not run["model"].get("weights"):
        raise UserError(
            f"runs.{name}: train.epochs is 0 and model.weights is missing; name a weights file, or `random` for an "
            "untrained control."
        )
    if packed_size(run) < run["model"]["input_size"]:
        raise UserError(
            f"runs.{name}: pack.size is {packed_size(run)}, smaller than model.input_size {run['model']['input_size']}."
        )
    return run


def _dataset(name: str, top: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    dataset = copy.deepcopy(top["datasets"][name])
    dataset["check"] = _over(top["check"], own.get("check", {}))
    if dataset["source"] == "folder":
        if "root" not in dataset:
            raise UserError(f"datasets.{name}: source folder needs `root`, the folder with the images.")
        if not Path(dataset["root"]).is_dir():
            raise UserError(f"datasets.{name}.root is {dataset['root']!r}, and there is no such folder.")
    return dataset


def _validate(config: dict[str, Any], schema: dict[str, Any]) -> None:
    errors = sorted(
        jsonschema.Draft202012Validator(schema).iter_errors(config), key=lambda e: (len(e.path), str(e.path))
    )
    if errors:
        raise UserError(_sentence(errors[0]))


def _sentence(error: jsonschema.ValidationError) -> str:
    path = list(error.absolute_path)
    at = ".".join(map(str, path)) or "the config"
    value, rule, limit = error.instance, error.validator, error.validator_value
    if rule == "additionalProperties":
        legal = list(error.schema["properties"])
        key = next(key for key in value if key not in legal)
        full = ".".join(map(str, [*path, key]))
        return f"config: {full} is no key{nearest(key, legal)}; legal here: {', '.join(legal)}."
    if rule == "required":
        missing = next(key for key in limit if key not in value)
        return f"config: {at} lacks the key {missing!r}."
    if rule == "pattern":
        return f"config: the name {value!r} is not legal; begin with a letter, go on with letters, digits, _ and -."
    if rule == "enum":
        return f"config: {at} is {value!r}{nearest(value, limit)}; it can be: {', '.join(map(str, limit))}."
    if rule == "type":
        wanted = " or ".join([limit] if isinstance(limit, str) else limit)
        return f"config: {at} is {value!r}; it has to be of type {wanted}."
    limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    if rule in limits:
        return f"config: {at} is {value!r}; it must be {limits[rule]} {limit}."
    description = error.schema.get("description", error.message)
    return f"config: {at} is {value!r}; it is: {description}"


def _filled(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Fill in the defaults of objects that are there; a run's own sections stay as short as they are."""
    schema = _resolved(schema, root)
    if (
        not isinstance(value, dict)
        or "properties" not in schema
        and not isinstance(schema.get("additionalProperties"), dict)
    ):
        return value
    filled = dict(value)
    for key, part in schema.get("properties", {}).items():
        if key not in filled and "default" in part | _resolved(part, root):
            filled[key] = copy.deepcopy((_resolved(part, root) | part)["default"])
    for key, part in filled.items():
        below = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if isinstance(below, dict):
            filled[key] = _filled(part, below, root)
    return filled


def _numbers(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Turn '1e-3' into a number where a number belongs: YAML reads it as text."""
    schema = _resolved(schema, root)
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        return {
            key: _numbers(part, parts.get(key, rest if isinstance(rest, dict) else {}), root)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_numbers(item, schema.get("items", {}), root) for item in value]
    if isinstance(value, str) and schema.get("type") == "number":
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    return root["$defs"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge deeply; the keys of `above` win, lists are replaced."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged


def _one_of(key: str, word: str, legal: Iterable[str]) -> None:
    legal = list(legal)
    if word not in legal:
        raise UserError(f"config: {key} names {word!r}{nearest(word, legal)}; it can be: {', '.join(legal)}.")


def _traced_layers(model: dict[str, Any]) -> list[str]:
    from zfpipe.nets.layers import layers  # torch takes seconds to import; our own networks do not need it here
    from zfpipe.nets.models import build
    from zfpipe.nets.trace import trace

    spec = {key: value for key, value in model.items() if key != "weights"}
    size = spec["input_size"]
    found = layers(trace(build(spec, classes=2), (size, size)))
    return [name for name, layer in found.items() if not layer.obstacle]

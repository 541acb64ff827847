"""A config held to its schema: numbers and keys put right, mistakes said in one sentence, defaults filled in."""

import copy
import functools
import math
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from zfpipe.errors import UserError, nearest

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
KINDS = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number", "number": "a number"}
LIMITS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


def checked(config: dict[str, Any], schema_path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the config as it was meant, and the same with every default of the schema filled in.

    Raises UserError that names the key, the value and what would be right.
    """
    schema = _schema(schema_path)
    config = _tidied(config, schema, schema, "")
    _validate(config, schema)
    return config, _filled(config, schema, schema)


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge deeply; the keys of `above` win, lists are replaced."""
    merged = copy.deepcopy(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = over(merged[key], value) if both else copy.deepcopy(value)
    return merged


@functools.cache
def _schema(path: str | Path) -> dict[str, Any]:
    quick = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML was built with it
    return yaml.load(Path(path).read_text("utf-8"), quick)


def _tidied(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> Any:
    """Copy the config; numbers that YAML reads as text ('1e-3') become numbers. Raises UserError for odd keys."""
    schema = _resolved(schema, root)
    if isinstance(value, dict):
        for key in value:
            _require_text(key, at)
        below = {key: _below(schema, key) for key in value}
        return {key: _tidied(part, below[key], root, f"{at}.{key}".strip(".")) for key, part in value.items()}
    options = [schema, *schema.get("anyOf", ())]
    if isinstance(value, list):
        items = next((option["items"] for option in options if "items" in option), {})
        return [_tidied(item, items, root, at) for item in value]
    kinds = {kind for option in options for kind in _listed(option.get("type", ()))}
    if isinstance(value, str) and kinds & {"number", "integer"} and NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UserError(f"config: {at} is {value}; it has to be a finite number.")
        if value.is_integer() and "integer" in kinds:
            return int(value)
    return value


def _require_text(key: Any, at: str) -> None:
    if not isinstance(key, str):
        raise UserError(
            f"config: {at or 'the top level'} has the key {key!r}, which is no text; YAML reads on, off, yes and no as "
            "true or false, and 2024 as a number: choose a name that begins with a letter and is none of these."
        )


def _validate(config: Any, schema: dict[str, Any]) -> None:
    errors = jsonschema.Draft202012Validator(schema).iter_errors(config)
    first = min(errors, key=lambda error: (len(error.absolute_path), str(error.absolute_path)), default=None)
    if first is not None:
        raise UserError(f"config: {_sentence(first)}")


def _sentence(error: jsonschema.ValidationError) -> str:
    at = ".".join(map(str, error.absolute_path)) or "the top level"
    value, rule, limit = error.instance, error.validator, error.validator_value
    if rule == "additionalProperties":
        legal = list(error.schema["properties"])
        key = next(key for key in value if key not in legal)
        full = ".".join(map(str, [*error.absolute_path, key]))
        return f"{full} is no key{nearest(key, legal)}; legal here: {', '.join(legal)}."
    if rule == "required":
        return f"{at} lacks the key {next(key for key in limit if key not in value)!r}; it needs {' and '.join(limit)}."
    if rule == "pattern":
        return f"the name {value!r} is not legal; begin with a letter, go on with letters, digits, _ and -."
    if rule == "not":
        return f"{at} may not have the name {value!r}: results/{value} is a folder of all runs; choose another."
    is_now = f"{at} is {_shown(value)}"
    if rule == "enum":
        return f"{is_now}{nearest(value, limit)}; it can be: {', '.join(map(str, limit))}."
    if rule == "type":
        return f"{is_now}; it has to be {' or '.join(KINDS.get(kind, kind) for kind in _listed(limit))}."
    if rule in LIMITS:
        return f"{is_now}; it has to be {LIMITS[rule]} {limit}."
    if rule == "minProperties":
        return f"{at} is empty; it has to name at least one."
    words = [str(word) for part in error.schema.get("anyOf", ()) for word in (part.get("enum") or [part.get("const")])]
    return f"{is_now}{nearest(value, words)}; what is legal: {error.schema.get('description', error.message)}"


def _filled(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Fill in the defaults of objects that are there."""
    schema = _resolved(schema, root)
    if not isinstance(value, dict):
        return value
    missing = {key: part["default"] for key, part in schema.get("properties", {}).items() if "default" in part}
    filled = copy.deepcopy(missing) | value
    return {key: _filled(part, _below(schema, key), root) for key, part in filled.items()}


def _below(schema: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the schema of an object's value."""
    part = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
    return part if isinstance(part, dict) else {}


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    return root["$defs"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)


def _shown(value: Any, most: int = 60) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def existing(at: str, path: str, kind: str) -> str:
    """Return the path, `~` spelled out. Raises UserError if it is not there."""
    found = os.path.expanduser(path)
    if not (os.path.isdir(found) if kind == "folder" else os.path.isfile(found)):
        here = "" if os.path.isabs(found) else f" (looked for in {os.getcwd()})"
        raise UserError(f"config: {at} is {path!r}, and there is no such {kind}{here}.")
    return found


def one_of(at: str, word: str, legal: Iterable[str]) -> None:
    """Raise UserError unless `word`, which the config names `at` a place, is one of `legal`."""
    legal = list(legal)
    if not legal:
        raise UserError(f"config: {at} names {word!r}, and there is nothing that it can be.")
    if word not in legal:
        raise UserError(f"config: {at} names {word!r}{nearest(word, legal)}; it can be: {', '.join(legal)}.")

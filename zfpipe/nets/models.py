"""From a model's description to a network: zfnet, alexnet, torchvision's classifiers, yours; and the model file."""

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from zfpipe.data.sizes import Size, pair, shortest
from zfpipe.data.transforms import normalised
from zfpipe.errors import UserError, nearest
from zfpipe.files import checkpoint
from zfpipe.files.digest import sha256_value
from zfpipe.nets import paper
from zfpipe.nets.names import DEFAULT_SIZE
from zfpipe.nets.trust import require_content, require_trusted
from zfpipe.nets.yours import build_yours, code_of, is_yours
from zfpipe.progress import say

OWN = {"zfnet": paper.zfnet, "alexnet": paper.alexnet}
TORCHVISION = "torchvision:"
DRAWS = (
    "uniform_",
    "normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
    "xavier_uniform_",
    "xavier_normal_",
    "trunc_normal_",
)
# What DataParallel, Lightning and the like, and torch.compile put before the names of weights, in any order.
WRAPPED = re.compile(r"((module|model|net|network|_orig_mod)\.)+")


class Stale(UserError):
    """A model file that was made by other code than what its name stands for now."""


@dataclass
class Model:
    """A network with all that is needed to feed it.

    `spec` describes the architecture (see `build`), `classes` names the outputs, `mean` (C, 1, 1) or (C, H, W) and
    `std` (C, 1, 1) are in units of pixel values 0..255, `packed_size` is the size in pixels (one side, or height and
    width) of the packed images from whose centre the input is cropped. Images, mean and std are RGB, also where the
    network takes `bgr`.
    """

    network: nn.Module
    spec: dict[str, Any]
    classes: list[str]
    mean: Tensor
    std: Tensor
    packed_size: int | Size
    bgr: bool = False

    def __post_init__(self):
        self.packed_size = pair(self.packed_size)

    @property
    def input_size(self) -> Size:
        """Height and width of the input in pixels."""
        return pair(self.spec["input_size"])

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return self.spec.get("channels", 3)

    def class_number(self, name: str) -> int:
        """Return the output of a class. Raises UserError, with the nearest name, if the network knows none of it."""
        if name not in self.classes:
            raise UserError(
                f"The class is {name!r}{nearest(name, self.classes)}; the network knows {len(self.classes)}: "
                f"{', '.join(self.classes[:10])}{' ...' if len(self.classes) > 10 else ''}."
            )
        return self.classes.index(name)

    def sha256(self) -> str:
        """Digest of everything that decides an activation: architecture, weights, preprocessing."""
        facts = {"spec": self.spec, "mean": self.mean, "std": self.std, "packed_size": shortest(self.packed_size)}
        facts |= {"channel_order": "BGR"} if self.bgr else {}
        return sha256_value(facts | {"state_dict": dict(self.network.state_dict())})

    def normalise(self, images: Tensor, mean: Tensor | None = None) -> Tensor:
        """Turn uint8 images (B, C, H, W) of the input's size into what the network takes.

        Parts of images need the same parts of the `mean`, (B, C, H, W), unless it is the same everywhere.
        """
        mean = self.mean if mean is None else mean
        inputs = normalised(images, mean, self.std)
        return inputs.flip(1) if self.bgr else inputs

    def as_seen(self, pixels: np.ndarray) -> np.ndarray:
        """Turn what came down to the network's input, or its filters, (..., C), into the image's channels (RGB)."""
        return pixels[..., ::-1] if self.bgr else pixels

    def to(self, device: torch.device | str) -> "Model":
        """Move network and preprocessing to a device; return self."""
        self.network.to(device)
        self.mean, self.std = self.mean.to(device), self.std.to(device)
        return self


def build(spec: dict[str, Any], classes: int) -> nn.Module:
    """Return the network of `spec`, freshly initialised by its own defaults, for `classes` outputs.

    `spec` has `name` ('zfnet', 'alexnet', 'torchvision:NAME' or 'module:attribute'), `input_size` in pixels, and any
    argument of our own networks (`width`, `norm`, `dropout`). The last is your own code: it is imported and called
    with `args` alone, whatever `classes` says.
    Raises UserError for an unknown name or an argument that the network does not take.
    """
    spec = dict(spec)
    name = spec.pop("name")
    if name in OWN:
        return OWN[name](classes, **_accepted(name, OWN[name], spec))
    if name.startswith(TORCHVISION):
        spec.pop("input_size", None)
        if spec.pop("channels", 3) != 3:
            raise UserError(f"{name} takes RGB images; a data set of its run needs `channels: 3`.")
        return _torchvision(name.removeprefix(TORCHVISION), classes, spec)
    if is_yours(name):
        for key in spec:
            if key not in ("args", "input_size", "channels", "code"):
                raise UserError(f"model.{key}: your own network takes its settings from model.args.")
        return build_yours(name, spec.get("args") or {})
    legal = [*OWN, "torchvision:NAME", "yourmodule:function"]
    raise UserError(f"model.name is {name!r}{_meant(name)}; it can be: {', '.join(legal)}.")


def default_size(name: str) -> int:
    """Return the side in pixels that a network is made for."""
    return DEFAULT_SIZE.get(name, 224)


def save_model(path: str | Path, model: Model, **facts: Any) -> None:
    """Write a model file; `facts` (manifest digest, epoch) are kept beside it."""
    content = {
        "spec": model.spec,
        "classes": model.classes,
        "mean": model.mean.cpu(),
        "std": model.std.cpu(),
        "packed_size": shortest(model.packed_size),
        "state_dict": {key: value.cpu().contiguous() for key, value in model.network.state_dict().items()},
        "facts": facts,
    }
    if model.bgr:
        content["channel_order"] = "BGR"
    checkpoint.save(path, "model", content)


def load_model(path: str | Path) -> Model:
    """Read a model file; the network is in eval mode, on the CPU.

    Raises UserError if it is damaged, or names code of which nobody said that it may run (`zfpipe.nets.trust`).
    """
    content = checkpoint.load(path, "model")
    require_content(content, path)
    require_trusted(content["spec"], path)
    network = _built(content, path)
    _refuse_edited(content["spec"], path)
    load_weights(network, content["state_dict"], path)
    network.eval().requires_grad_(False)
    facts = (content[key] for key in ("spec", "classes", "mean", "std", "packed_size"))
    return Model(network, *facts, bgr=content.get("channel_order") == "BGR")


def _built(content: dict[str, Any], path: str | Path) -> nn.Module:
    spec, classes = content["spec"], len(content["classes"])
    if is_yours(spec["name"]):
        return build(spec, classes)
    try:
        with torch.device("meta"):  # without memory, for a spec may be absurd; what fits the file's weights is not
            load_weights(build(spec, classes), content["state_dict"], path, check_only=True)
        with NotDrawn():
            return build(spec, classes)
    except UserError as error:
        raise UserError(f"{path}: {str(error).removeprefix(f'{path} ')}") from error
    except (TypeError, ValueError, RuntimeError, KeyError, ArithmeticError, AttributeError, MemoryError) as error:
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: its spec {spec} makes no network ({cause}); run the stage train again.") from error


class NotDrawn(TorchFunctionMode):
    """While it is on, random first weights are not drawn: those of a file are to come in their place."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _refuse_edited(spec: dict[str, Any], path: str | Path) -> None:
    if is_yours(spec["name"]) and spec.get("code") != code_of(spec["name"]):
        raise Stale(
            f"{path} is stale: the code of {spec['name']} has changed since it was made; run the stage train again."
        )


def load_weights(network: nn.Module, state_dict: dict[str, Tensor], path: str | Path, check_only: bool = False) -> None:
    """Put weights into a network (or see whether they fit).

    Raises UserError with the first keys that differ if they are another network's.
    """
    own = network.state_dict()
    state_dict = counters_filled(own, state_dict)
    missing = [key for key in own if key not in state_dict]
    foreign = [key for key in state_dict if key not in own]
    shapes = [
        f"{key} is {tuple(state_dict[key].shape)}, not {tuple(own[key].shape)}"
        for key in own
        if key in state_dict and own[key].shape != state_dict[key].shape
    ]
    if missing or foreign or shapes:
        kinds = (("it lacks", missing), ("the model has no", foreign), ("the shapes differ:", shapes))
        raise UserError(f"{path} does not fit the model: {'; '.join(_first(*kind) for kind in kinds if kind[1])}.")
    if not check_only:
        network.load_state_dict(state_dict)


def counters_filled(own: Mapping[str, Tensor], state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the batch counters of batch normalisation, which old files lack and nothing here reads."""
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")}
    return counters | state_dict


def without_prefix(own: Iterable[str], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take off what wrappers put before each name (`module.`, `model.`, `_orig_mod.`), where that makes them fit `own`.

    What stands beside the network in its wrapper (a loss, a teacher) is left out then, and said. Weights that fit
    neither way come back as they are.
    """
    own = [key for key in own if not key.endswith("num_batches_tracked")]
    if not own or all(key in weights for key in own):
        return weights
    prefixes = (key.removesuffix(own[0]) for key in weights if key.endswith(own[0]))
    for prefix in sorted(filter(WRAPPED.fullmatch, prefixes), key=len):
        if all(prefix + key in weights for key in own):
            inside = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
            if len(inside) < len(weights):
                beside = [key for key in weights if not key.startswith(prefix)]
                say(f"The weights stand under {prefix!r}; {_first('left out:', beside)}.")
            return inside
    return weights


def _first(what: str, keys: list[str], shown: int = 2) -> str:
    more = f" and {len(keys) - shown} more" if len(keys) > shown else ""
    return f"{what} {', '.join(keys[:shown])}{more}"


def _accepted(name: str, factory, spec: dict[str, Any]) -> dict[str, Any]:
    legal = [key for key in inspect.signature(factory).parameters if key != "classes"]
    for key in spec:
        if key not in legal:
            raise UserError(f"model.{key}: {name} has no such setting{nearest(key, legal)}; it has {', '.join(legal)}.")
    return spec


def _meant(name: str) -> str:
    """Return a guess at what a wrong name stands for: a network of ours, or of torchvision's without its prefix."""
    from torchvision import models

    return nearest(name, OWN) or nearest(TORCHVISION + name, map(TORCHVISION.__add__, models.list_models(models)))


def _torchvision(name: str, classes: int, arguments: dict[str, Any]) -> nn.Module:
    from torchvision import models  # here, since only these networks need its second of start-up

    classifiers = models.list_models(module=models)
    if name not in classifiers:
        raise UserError(f"model.name: torchvision has no classifier {name!r}{nearest(name, classifiers)}.")
    if arguments:
        raise UserError(f"model.{next(iter(arguments))}: torchvision's {name} has no such setting.")
    extra = {"aux_logits": True, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    return models.get_model(name, weights=None, num_classes=classes, **extra)

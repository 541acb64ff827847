"""In-place operations made plain: each gives a new value, and whatever reads the old one afterwards reads that.

So no map that is still wanted is overwritten, and the network computes what it computed before.
"""

import copy
import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from zfpipe.errors import UserError


def with_item(x: Tensor, index: Any, value: Any) -> Tensor:
    """Return x with x[index] = value."""
    x = x.clone()
    x[index] = value
    return x


IN_PLACE_OPERATORS = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.setitem: with_item,
}


def plain_copies(network: nn.Module) -> dict[str, nn.Module]:
    """Return, by path, a copy of every module that works in place, with its `inplace` off. The network stays as it is.

    The same module under two paths has one copy.
    """
    copies: dict[nn.Module, nn.Module] = {}
    for module in network.modules():
        if getattr(module, "inplace", False) is True:
            copies[module] = copy.copy(module)
            copies[module].inplace = False
    paths = network.named_modules(remove_duplicate=False)
    return {path: copies[module] for path, module in paths if module in copies}


def make_plain(node: fx.Node, values: dict[fx.Node, Any], copies: dict[str, nn.Module]) -> None:
    """Rewrite a node that works in place, and the nodes after it that read what it overwrites.

    `values` holds the values of the nodes before it.
    Raises UserError if it overwrites a part of a map that is read again as a whole.
    """
    target = _plain(node)
    in_place = target is not node.target or node.kwargs.get("inplace") is True
    in_place = in_place or (node.op == "call_module" and node.target in copies)
    node.target = target
    if "inplace" in node.kwargs:
        node.kwargs = node.kwargs | {"inplace": False}
    overwritten = values.get(node.args[0]) if in_place and node.args else None
    if isinstance(overwritten, Tensor):
        for other, value in values.items():
            if isinstance(value, Tensor) and value.untyped_storage()._cdata == overwritten.untyped_storage()._cdata:
                _read_the_new_one(other, node, values, same=_placed(value) == _placed(overwritten))


def _read_the_new_one(old: fx.Node, new: fx.Node, values: dict[fx.Node, Any], same: bool) -> None:
    later = {user for user in old.users if user not in values and user is not new}
    if later and not same:
        raise UserError(
            f"The network overwrites a part of {old.name} in place at {new.name} and reads {old.name} again at "
            f"{min(user.name for user in later)}; write this step without changing values in place."
        )
    old.replace_all_uses_with(new, delete_user_cb=later.__contains__)


def _placed(value: Tensor) -> tuple:
    return value.shape, value.stride(), value.storage_offset()


def _plain(node: fx.Node) -> Any:
    target = node.target
    if node.op == "call_method":
        return target[:-1] if _is_in_place(target) and hasattr(Tensor, target[:-1]) else target
    if node.op == "call_function" and target in IN_PLACE_OPERATORS:
        return IN_PLACE_OPERATORS[target]
    name = getattr(target, "__name__", "")
    if node.op == "call_function" and _is_in_place(name):
        homes = (torch, torch.nn.functional)
        return next((getattr(home, name[:-1]) for home in homes if hasattr(home, name[:-1])), target)
    return target


def _is_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")

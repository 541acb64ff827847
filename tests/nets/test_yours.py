"""A network of the user's own: found, called, noticed when edited, refused in one sentence."""

import sys

import pytest
import torch

from zfpipe.errors import UserError
from zfpipe.nets.models import Model, Stale, build, load_model, save_model
from zfpipe.nets.start import parse_model
from zfpipe.nets.yours import code_of, outputs_of

CODE = '''
"""A small network."""
from torch import nn
from {package}.parts import block

NUMBER = 3


def build(width=4, outputs=2, channels=3):
    """Return it."""
    layers = [*block(channels, width), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs)]
    return nn.Sequential(*layers)


def fails(**settings):
    raise ValueError("the width is odd.\\nMore lines.")


def no_network():
    return [1]
'''
PARTS = """
from torch import nn


def block(channels, width):
    return nn.Conv2d(channels, width, 3), nn.ReLU()
"""


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    """A package in the working directory, under a name that no other test imports."""
    name = f"own_{abs(hash(request.node.name)) % 10**8}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "nets.py").write_text(CODE.format(package=name))
    (folder / "parts.py").write_text(PARTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def spec_of(package, **more):
    return {"name": f"{package}.nets:build", "input_size": 20, "args": {"width": 5, "outputs": 7}, **more}


def test_it_is_called_with_args_and_its_outputs_are_counted(package):
    network = build(spec_of(package), classes=99)
    assert network[0].out_channels == 5
    assert outputs_of(network, 3, (20, 20)) == 7
    assert outputs_of(network[:2], 3, (20, 30)) is None
    with pytest.raises(UserError, match=r"does not take a 2x2 image of 1 channel: RuntimeError"):
        outputs_of(network, 1, (2, 2))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{}.net:build", r"no module '{}\.net' \(did you mean '{}\.nets'\?\)"),
        ("{}x.nets:build", r"no module '{}x'"),
        ("{}.nets:bild", r"has no 'bild' \(did you mean 'build'\?\); it has block, build"),
        ("{}.nets:NUMBER", "is a int; it has to be a function or class"),
        ("{}.nets:fails", r"fails\(width=5, outputs=7\) raised ValueError: the width is odd\.$"),
    ],
)
def test_mistakes_are_one_sentence(package, name, words):
    with pytest.raises(UserError, match=words.replace("{}", package)):
        build(spec_of(package) | {"name": name.replace("{}", package)}, 2)


def test_what_makes_no_network_is_refused(package):
    with pytest.raises(UserError, match=r"returned a list; it has to return a torch\.nn\.Module"):
        build({"name": f"{package}.nets:no_network"}, 2)
    with pytest.raises(UserError, match=r"model\.width: your own network takes its settings from model\.args"):
        build(spec_of(package, width=2), 2)


def test_a_module_that_does_not_import_says_why(package, tmp_path):
    (tmp_path / package / "nets.py").write_text("import nowhere_at_all")
    with pytest.raises(UserError, match=r"importing .*nets raised ModuleNotFoundError: No module named 'nowhere"):
        build(spec_of(package), 2)


def test_comments_and_docstrings_are_no_other_code_but_code_is(package, tmp_path):
    name, path, parts = f"{package}.nets:build", tmp_path / package / "nets.py", tmp_path / package / "parts.py"
    first = code_of(name)
    path.write_text(path.read_text().replace('"""Return it."""', "# a comment"))
    assert code_of(name) == first
    path.write_text(path.read_text().replace("width=4", "width=6"))
    second = code_of(name)
    assert second != first
    parts.write_text(parts.read_text().replace("3)", "5)"))  # what it imports from beside it counts too
    assert code_of(name) not in (first, second)


def test_a_model_file_is_built_again_and_stale_once_the_code_is_edited(package, tmp_path):
    spec, weights = parse_model(
        f'{{"name": "{package}.nets:build", "args": {{"width": 5}}, "input_size": [20, 24], "weights": "a.pt"}}', 0.5
    )
    assert weights == "a.pt"
    model = Model(build(spec, 2), spec, ["a", "b"], torch.zeros(3, 1, 1), torch.ones(3, 1, 1), (23, 28))
    save_model(tmp_path / "model.pt", model)
    read = load_model(tmp_path / "model.pt")
    assert read.sha256() == model.sha256()
    assert (read.input_size, read.packed_size) == ((20, 24), (23, 28))
    path = tmp_path / package / "parts.py"
    path.write_text(path.read_text().replace("nn.ReLU()", "nn.LeakyReLU()"))
    with pytest.raises(Stale, match=r"model\.pt is stale: the code of .*nets:build has changed"):
        load_model(tmp_path / "model.pt")


def test_args_are_for_your_own_network_alone():
    with pytest.raises(UserError, match=r"model\.args goes with a network of your own"):
        parse_model('{"name": "zfnet", "args": {"a": 1}}', 0.5)

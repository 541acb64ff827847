"""What the config says about a source: whole by itself, or one sentence."""

from pathlib import Path

import pytest
from image_examples import plain

from zfpipe.errors import UserError
from zfpipe.experiment import load

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"


def loaded(**dataset):
    run = {"dataset": "mine", "model": {"name": "zfnet"}, "layers": ["conv1"]}
    return load({"datasets": {"mine": dataset}, "runs": {"a": run}}, SCHEMA)["datasets"]["mine"]


def test_a_table_lies_in_its_root_unless_told_otherwise(tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\n")
    assert loaded(source="csv", file=str(tmp_path / "labels.csv"))["root"] == str(tmp_path)
    assert loaded(source="csv", file=str(tmp_path / "labels.csv"), root=str(tmp_path.parent))["root"] == str(
        tmp_path.parent
    )


def test_a_root_need_not_be_there_when_the_set_is_fetched(tmp_path):
    new = str(tmp_path / "new")
    assert loaded(source="cifar10", root=new, download=True)["root"] == new
    with pytest.raises(UserError, match="there is no such folder"):
        loaded(source="cifar10", root=new)
    with pytest.raises(UserError, match="there is no such folder"):
        loaded(source="folder", root=new, download=True)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"source": "cifar"}, "did you mean 'cifar1"),
        ({"source": "food101"}, "source food101 and no `root`"),
        ({"source": "csv"}, "source csv and no `file`"),
        ({"source": "csv", "file": "nowhere.csv"}, "there is no such file"),
        ({"source": "imagenette", "root": ".", "variant": "200px"}, "it can be: full, 320px, 160px"),
    ],
)
def test_a_mistake_is_one_sentence(dataset, message):
    with pytest.raises(UserError, match=message):
        loaded(**dataset)


def test_an_exclusion_list_has_to_be_a_file_of_the_users_own(tmp_path, monkeypatch):
    plain(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    for name in ("bad.csv", "results/a/audit/exclusions.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("path\n")
    assert loaded(source="folder", root="images", exclude="bad.csv")["exclude"] == "bad.csv"
    with pytest.raises(UserError, match="copy it beside your config"):
        loaded(source="folder", root="images", exclude="results/a/audit/exclusions.csv")
    with pytest.raises(UserError, match="there is no such file"):
        loaded(source="folder", root="images", exclude="none.csv")

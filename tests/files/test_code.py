"""The digest of a stage's code: what makes a stage run again, and what does not."""

import ast
from pathlib import Path

import pytest

from zfpipe.files import code

STAGES = [path.stem for path in (code.ROOT / "stages").glob("*.py") if path.stem != "__init__"]
STAGE = "zfpipe.stages.draw"
FILES = {
    "__init__.py": '"""Package."""\n',
    "errors.py": "class UserError(Exception): pass\n",
    "progress.py": "def say(line): print(line)\n",
    "stages/__init__.py": "",
    "stages/draw.py": (
        '"""Draw."""\n\nfrom zfpipe.errors import UserError\nfrom zfpipe.progress import say\n'
        'from zfpipe.pictures import grids\n\n\ndef run(n):\n    """Run."""\n    return grids.grid(n)\n'
    ),
    "stages/other.py": "def run(n):\n    return n\n",
    "pictures/__init__.py": "",
    "pictures/grids.py": (
        'STYLE = "paper.mplstyle"\n\n\ndef grid(n):\n    import zfpipe.nets.heavy as heavy\n\n'
        "    return heavy.work(n)\n"
    ),
    "pictures/paper.mplstyle": "# on base.mplstyle\nfont.size: 8\n",
    "pictures/base.mplstyle": "lines.linewidth: 3\n",
    "pictures/slides.mplstyle": "font.size: 20\n",
    "nets/__init__.py": "",
    "nets/heavy.py": "async def wait():\n    pass\n\n\ndef work(n):\n    return n + 1\n",
}


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Return a function: the digest of STAGE in a small package, after edits {file: (old, new)}."""
    monkeypatch.setattr(code, "ROOT", tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def edited(edits=None, without=()) -> str:
        for name, (old, new) in (edits or {}).items():
            text = (tmp_path / name).read_text()
            assert old in text
            (tmp_path / name).write_text(text.replace(old, new, 1))
        _forget()
        return code.code_sha256(STAGE, without)

    yield edited
    _forget()


def _forget():
    for cached in (code._imports, code._module_sha256, code._tree, code._path):
        cached.cache_clear()


@pytest.mark.parametrize(
    "edit",
    [
        {"stages/draw.py": ('"""Draw."""', '"""Draw better."""')},
        {"stages/draw.py": ('"""Run."""', '"""Run it, and say so."""')},
        {"stages/draw.py": ('    """Run."""\n', "")},
        {"stages/draw.py": ("    return", "    # why\n\n    return")},
        {"nets/heavy.py": ("n + 1", "(n  +  1)")},
        {"nets/heavy.py": ("    pass", '    """Wait."""\n    pass')},
        {"progress.py": ("print(line)", "print(line, flush=True)")},
        {"errors.py": ("pass", "code = 1")},
        {"stages/other.py": ("return n", "return n + 1")},
        {"pictures/slides.mplstyle": ("20", "24")},
    ],
    ids=str,
)
def test_comments_docstrings_layout_and_code_that_is_not_used_do_not_count(digest, edit):
    before = digest()
    assert digest(edit) == before


@pytest.mark.parametrize(
    "edit",
    [
        {"stages/draw.py": ("grid(n)", "grid(n + 1)")},
        {"stages/draw.py": ("(n):", "(n, m=2):")},
        {"pictures/grids.py": ("work(n)", "work(-n)")},
        {"nets/heavy.py": ("n + 1", "n + 2")},  # imported inside a function, two steps away
        {"nets/heavy.py": ("pass", "return 1")},
        {"pictures/paper.mplstyle": ("8", "9")},
        {"pictures/base.mplstyle": ("3", "2")},  # named by the one that is named
    ],
    ids=str,
)
def test_code_counts_at_any_distance_and_so_do_style_sheets(digest, edit):
    before = digest()
    assert digest(edit) != before


def test_a_module_that_begins_to_be_used_counts(digest):
    before = digest()
    with_other = digest({"pictures/grids.py": ("def grid", "from zfpipe.nets import light\n\n\ndef grid")})
    assert with_other != before
    (code.ROOT / "nets/light.py").write_text("A = 1\n")
    with_file = digest()
    assert with_file != with_other
    assert digest({"nets/light.py": ("1", "2")}) != with_file


def test_modules_that_use_each_other_end(digest):
    assert digest({"nets/heavy.py": ("async", "import zfpipe.pictures.grids\n\n\nasync")})


def test_rooms_can_be_left_out_with_what_only_they_use(digest):
    before = digest(without=["zfpipe.pictures"])
    assert before != digest()
    changed = {"pictures/grids.py": ("work(n)", "work(-n)"), "nets/heavy.py": ("n + 1", "n + 2")}
    assert digest(changed, without=["zfpipe.pictures"]) == before
    assert digest({"stages/draw.py": ("grid(n)", "grid(n + 1)")}, without=["zfpipe.pictures"]) != before


NESTED = """
def one():
    try: import a
    except ValueError: import b
    else: import c
    finally: import d
    try: pass
    except* KeyError: import e
    for _ in (): import f
    else: import g
    while 0: import h
    else: import i
    if 1: import j
    elif 2: import k
    else: import l
    with x: import m
    match y:
        case 1: import n
        case _: import o
class Two:
    async def three(self):
        async with x: import p
        async for _ in (): import q
"""


def test_statements_are_found_wherever_they_stand():
    texts = [NESTED, *(path.read_text() for path in code.ROOT.rglob("*.py"))]
    for tree in map(ast.parse, texts):
        every = {id(node) for node in ast.walk(tree) if isinstance(node, ast.stmt)}
        assert every == {id(node) for node in code._statements(tree) if isinstance(node, ast.stmt)}


def test_stages_differ_and_a_digest_stays():
    digests = {stage: code.code_sha256(f"zfpipe.stages.{stage}") for stage in STAGES}
    assert len(set(digests.values())) == len(STAGES)
    _forget()
    assert digests == {stage: code.code_sha256(f"zfpipe.stages.{stage}") for stage in STAGES}


def test_the_templates_and_style_sheets_that_ship_each_belong_to_a_module():
    beside = {path for path in code.ROOT.rglob("*") if path.suffix in code.DATA}
    named = {data for path in code.ROOT.rglob("*.py") for data in code._named_beside(path)}
    assert beside == named != set()


@pytest.mark.parametrize("path", sorted(code.ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(code.ROOT)))
def test_every_import_of_ours_is_spelled_out(path: Path):
    """Relative imports would not be followed."""
    assert all(not node.level for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom))

"""Results in a storage instead of the working folder, through Snakemake's storage plugin for file systems."""

import importlib.util
import shutil

import pytest

pytestmark = pytest.mark.slow
SHARED = ["persistence", "software-deployment", "sources", "source-cache", "storage-local-copies"]


@pytest.mark.skipif(not shutil.which("rsync"), reason="the storage plugin copies with rsync, which is not here")
@pytest.mark.skipif(
    not importlib.util.find_spec("snakemake_storage_plugin_fs"), reason="no snakemake-storage-plugin-fs"
)
def test_the_whole_workflow_runs_with_its_results_in_a_storage(fresh, finished):
    fresh.set(view={"images": {"cat": "images/val/rocket/00.png"}})  # a file of one's own stays where it is
    bucket = fresh / "bucket"
    away = ["--default-storage-provider", "fs", "--default-storage-prefix", str(bucket), "--shared-fs-usage", *SHARED]
    fresh.make(*away)
    kept, own = ({p.relative_to(root): p for p in root.rglob("*.*")} for root in (bucket, finished.folder))
    there = [path for path in own if path.parts[0] == "results" and not {"log", "state", "view"} & set(path.parts)]
    assert len(there) > 15
    for path in there:
        if path.name != "metrics.csv":  # has clock times
            assert kept[path].read_bytes() == own[path].read_bytes(), path
    assert bucket.joinpath("results/tiny/view/cat/conv2.png").exists()
    assert not (fresh / "results/tiny/mine").exists()
    assert list((fresh / "results/tiny/state").glob("*/epoch-0002.pt"))  # what training resumes from is no result
    assert fresh.would_run(*away) == {}
    fresh.set(mine={"k": 2})
    assert set(fresh.would_run(*away)) == {"mine", "merge", "reconstruct", "figure"}

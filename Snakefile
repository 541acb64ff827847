# zfpipe, in the order in which data flows. What each rule does is in zfpipe/stages/, under the rule's own name.
from snakemake.utils import min_version

min_version("9.3")


# A config that is named on the command line takes the place of this one. Snakemake would merge the two; and what
# --replace-workflow-config says does not reach the jobs that it sends to a cluster.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/train_common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/mine.smk"
include: "workflow/rules/reconstruct.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/paper_common.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/filters.smk"
include: "workflow/rules/correspond.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/gallery_common.smk"
include: "workflow/rules/gallery.smk"


# Seconds each: on a cluster they run where snakemake does.
localrules:
    all,
    paper,
    photographs,
    merge,
    ablate,
    filters,
    selectivity,
    compare,
    figure,
    beside,
    filmstrip,
    gallery,
    view,


rule all:
    default_target: True
    input:
        expand(
            "results/data/{dataset}/check/report.html", dataset=EXPERIMENT["datasets"]
        ),
        # What a notebook reads is named too, so that what a user deletes of it is made again.
        [
            f"results/{run}/{file}"
            for run in RUNS
            for file in (
                "train/model.pt",
                "train/metrics.csv",
                "train/curves.png",
                "mine/topk.h5",
            )
        ],
        [
            f"results/{run}/reconstruct/{layer}.h5"
            for run in RUNS
            for layer in RUNS[run]["layers"]
        ],
        [
            f"results/{run}/audit/audit.html"
            for run in RUNS
            if RUNS[run]["audit"]["enabled"]
        ],
        [
            f"results/{run}/figure/{layer}.{kind}"
            for run in RUNS
            for layer in RUNS[run]["layers"]
            for kind in ("png", "pdf")
        ],
        [figure for run in RUNS for figure in besides(run)],
        [f"results/{run}/gallery" for run in RUNS if RUNS[run]["gallery"]["enabled"]],
        [view for run in RUNS for view in views(run)],
        [
            f"results/{run}/evaluate/evaluate.csv"
            for run in RUNS
            if RUNS[run]["evaluate"]["enabled"]
        ],
        [
            f"results/{run}/invariance/invariance.png"
            for run in RUNS
            if RUNS[run]["invariance"]["images"]
        ],
        [
            f"results/{run}/similarity/similarity.png"
            for run in RUNS
            if RUNS[run]["similarity"]["to"]
        ],
        [
            f"results/{run}/probe/probe.png"
            for run in RUNS
            if RUNS[run]["probe"]["dataset"]
        ],
        [
            film
            for run in RUNS
            if RUNS[run]["evolve"]["enabled"]
            for film in filmstrips(run)
        ],
        [
            f"results/{run}/selectivity/selectivity.png"
            for run in RUNS
            if RUNS[run]["selectivity"]["enabled"]
        ],
        [
            f"results/{run}/correspond/correspond.png"
            for run in RUNS
            if RUNS[run]["correspond"]["images"]
        ],
        ["results/filters/filters.csv"] if EXPERIMENT["filters"]["enabled"] else [],
        ["results/ablate/ablate.csv"] if EXPERIMENT["ablate"]["enabled"] else [],
        ["results/compare/compare.html"] if EXPERIMENT["compare"]["enabled"] else [],
        [
            f"results/{run}/occlude/{image}.png"
            for run in RUNS
            for image in RUNS[run]["occlude"]["images"]
        ],


# Every experiment of the paper that a run can take, whatever its section says of `enabled`. Those that need images, a control
# or another data set are made where the config names one.
rule paper:
    input:
        rules.all.input,
        expand("results/{run}/evaluate/evaluate.csv", run=TRAINED),
        [film for run in TRAINED for film in filmstrips(run)],
        expand("results/{run}/selectivity/selectivity.png", run=RUNS),
        "results/filters/filters.csv",
        "results/ablate/ablate.csv",
        "results/compare/compare.html",

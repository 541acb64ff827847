# First-layer filters of several runs, side by side (paper, figure 6).
FILTERED = EXPERIMENT["filters"]["runs"]


def second_layer(run):
    """The reconstruction of a run's second layer, or - where the run does not list it."""
    layer = RUNS[run]["second_layer"]
    return f"results/{run}/reconstruct/{layer}.h5" if layer else "-"


def radius_of(run):
    """The radius that a run's filters were renormalised to; 0 where they were not, or are given."""
    train = RUNS[run]["train"]
    return train["filter_radius"] if train["epochs"] else 0


rule filters:
    input:
        models=expand("results/{run}/train/model.pt", run=FILTERED),
        topks=expand("results/{run}/mine/topk.h5", run=FILTERED),
        seconds=[path for path in map(second_layer, FILTERED) if path != "-"],
    output:
        table="results/filters/filters.csv",
        figure=report(
            "results/filters/filters.png",
            caption="../report/filters.rst",
            category="all runs",
            labels={"layer": "", "shows": "first-layer filters"},
        ),
    log:
        "results/filters/log/filters.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        names=FILTERED,
        seconds=[second_layer(run) for run in FILTERED],
        radii=[radius_of(run) for run in FILTERED],
        settings=flags(EXPERIMENT["filters"], "count", "seed", "dpi"),
        code=code("filters"),
    shell:
        "zfpipe filters --model {input.models:q} --topk {input.topks:q} --name {params.names:q} "
        "--reconstruction {params.seconds:q} --radius {params.radii} {params.settings} "
        "--out-csv {output.table:q} --out-png {output.figure:q} 2> >(tee -a {log:q} >&2)"

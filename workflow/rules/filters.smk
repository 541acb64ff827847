# First-layer filters of several runs, side by side (paper, figure 6).
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

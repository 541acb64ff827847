# Units in numbers, and all runs side by side.
rule selectivity:
    input:
        topk="results/{run}/mine/topk.h5",
        images=packed("val"),
    output:
        table="results/{run}/selectivity/selectivity.csv",
        figure=report(
            "results/{run}/selectivity/selectivity.png",
            caption="../report/selectivity.rst",
            category="{run}",
            labels={"layer": "", "shows": "class selectivity"},
        ),
    log:
        "results/{run}/log/selectivity.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        settings=lambda wildcards: flags(run_of(wildcards)["selectivity"], "dpi"),
        code=code("selectivity"),
    shell:
        "zfpipe selectivity --topk {input.topk:q} --images {input.images:q} --title {wildcards.run} {params.settings} "
        "--out-csv {output.table:q} --out-png {output.figure:q} 2> >(tee -a {log:q} >&2)"


rule compare:
    input:
        models=expand("results/{run}/train/model.pt", run=RUNS),
        metrics=expand("results/{run}/train/metrics.csv", run=RUNS),
        topk=expand("results/{run}/mine/topk.h5", run=RUNS),
        selectivity=expand("results/{run}/selectivity/selectivity.csv", run=RUNS),
        similarity=[
            f"results/{run}/similarity/similarity.csv" for run in with_control()
        ],
        figures=[f"results/{run}/figure/{layer}.png" for run, layer in every_layer()],
    output:
        table="results/compare/compare.csv",
        page=report(
            "results/compare/compare.html",
            caption="../report/compare.rst",
            category="all runs",
            labels={"layer": "", "shows": "runs compared"},
        ),
    log:
        "results/compare/log/compare.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        names=list(RUNS),
        settings=json.dumps({run: told(run) for run in RUNS}, sort_keys=True),
        similarity=lambda wildcards, input: " ".join(
            f"--similarity {run} {shlex.quote(path)}"
            for run, path in zip(with_control(), input.similarity)
        ),
        figures=lambda wildcards, input: " ".join(
            f"--figure {run} {layer} {shlex.quote(path)}"
            for (run, layer), path in zip(every_layer(), input.figures)
        ),
        code=code("compare"),
    shell:
        "zfpipe compare --name {params.names:q} --model {input.models:q} --metrics {input.metrics:q} "
        "--topk {input.topk:q} --selectivity {input.selectivity:q} {params.similarity} {params.figures} "
        "--settings {params.settings:q} "
        "--out-csv {output.table:q} --out-html {output.page:q} 2> >(tee -a {log:q} >&2)"

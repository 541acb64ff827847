# Linear classifiers on what each layer makes of another data set (paper, tables 4, 5 and 7).
rule probe:
    input:
        model="results/{run}/train/model.pt",
        train=probed("train"),
        val=probed("val"),
    output:
        table="results/{run}/probe/probe.csv",
        summary=report(
            "results/{run}/probe/summary.csv",
            caption="../report/probe.rst",
            category="{run}",
            labels={"layer": "", "shows": "probes, table"},
        ),
        figure=report(
            "results/{run}/probe/probe.png",
            caption="../report/probe.rst",
            category="{run}",
            labels={"layer": "", "shows": "probes"},
        ),
    log:
        "results/{run}/log/probe.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: 4
    resources:
        **needs("probe"),
    params:
        layers=probed_layers,
        paper=papers_dataset,
        beside=beside_probe,
        settings=lambda wildcards: flags(
            run_of(wildcards)["probe"],
            "images_per_class",
            "test_images",
            "draw",
            "splits",
            "classifiers",
            "features",
            "memory",
            "seed",
            "batch_size",
            "dpi",
        ),
        strengths=lambda wildcards: " ".join(map(str, run_of(wildcards)["probe"]["C"])),
        title=lambda wildcards: f"{wildcards.run}, its layers on {run_of(wildcards)['probe']['dataset']}",
        code=code("probe"),
    shell:
        "zfpipe probe --model {input.model:q} --train {input.train:q} --val {input.val:q} {params.layers} {params.settings} "
        "--C {params.strengths} {params.beside} {params.paper} --title {params.title:q} --device {resources.device} "
        "--threads {threads} --out-csv {output.table:q} --out-summary {output.summary:q} --out-png {output.figure:q} "
        "2> >(tee -a {log:q} >&2)"

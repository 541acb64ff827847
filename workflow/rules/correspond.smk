# The same part of several images masked (paper, table 1).
rule correspond:
    input:
        model="results/{run}/train/model.pt",
        images=named_files("correspond"),
        boxes=lambda wildcards: local(run_of(wildcards)["correspond"]["boxes"]),
    output:
        table="results/{run}/correspond/correspond.csv",
        figure=report(
            "results/{run}/correspond/correspond.png",
            caption="../report/correspond.rst",
            category="{run}",
            labels={"layer": "", "shows": "correspondence of parts"},
        ),
    log:
        "results/{run}/log/correspond.log",
    conda:
        "../envs/zfpipe.yaml"
    resources:
        **needs("correspond"),
    params:
        images=lambda wildcards: list(
            run_of(wildcards)["correspond"]["images"].values()
        ),
        names=lambda wildcards: list(run_of(wildcards)["correspond"]["images"]),
        settings=lambda wildcards: flags(
            run_of(wildcards)["correspond"],
            "layers",
            "draws",
            "seed",
            "batch_size",
            "dpi",
        ),
        code=code("correspond"),
    shell:
        "zfpipe correspond --model {input.model:q} --image {params.images:q} --name {params.names:q} "
        "--boxes {input.boxes:q} {params.settings} --title {wildcards.run} --device {resources.device} "
        "--out-csv {output.table:q} --out-png {output.figure:q} 2> >(tee -a {log:q} >&2)"

# The paper's further experiments, each switched on by its section of the config.
rule occlude:
    input:
        model="results/{run}/train/model.pt",
        reconstruction=lambda wildcards: (
            f"results/{wildcards.run}/reconstruct/{run_of(wildcards)['occlude']['layer']}.h5"
        ),
        image=named_file("occlude"),
    output:
        table="results/{run}/occlude/{image}.csv",
        figure=report(
            "results/{run}/occlude/{image}.png",
            caption="../report/occlude.rst",
            category="{run}",
            labels={"layer": "", "shows": "{image} occluded"},
        ),
    log:
        "results/{run}/log/occlude-{image}.log",
    conda:
        "../envs/zfpipe.yaml"
    resources:
        **needs("occlude"),
    params:
        image=named_image("occlude"),
        label=lambda wildcards: flags(
            {"label": run_of(wildcards)["occlude"]["labels"].get(wildcards.image)},
            "label",
        ),
        settings=lambda wildcards: flags(
            run_of(wildcards)["occlude"],
            "layer",
            "square",
            "stride",
            "batch_size",
            "dpi",
        ),
        code=code("occlude"),
    shell:
        "zfpipe occlude --model {input.model:q} --image {params.image:q} --title {wildcards.image} {params.label} "
        "--reconstruction {input.reconstruction:q} {params.settings} --device {resources.device} "
        "--out-csv {output.table:q} --out-png {output.figure:q} 2> >(tee -a {log:q} >&2)"


rule evaluate:
    input:
        models=lambda wildcards: [
            f"results/{run}/train/model.pt" for run in together(wildcards)
        ],
        vals=lambda wildcards: [packed_file(run, "val") for run in together(wildcards)],
    output:
        table=report(
            "results/{run}/evaluate/evaluate.csv",
            caption="../report/evaluate.rst",
            category="{run}",
            labels={"layer": "", "shows": "evaluation, table"},
        ),
        confusion="results/{run}/evaluate/confusion.csv",
        figure=report(
            "results/{run}/evaluate/confusion.png",
            caption="../report/evaluate.rst",
            category="{run}",
            labels={"layer": "", "shows": "confusion"},
        ),
    log:
        "results/{run}/log/evaluate.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: 4
    resources:
        **needs("evaluate"),
    params:
        names=together,
        settings=lambda wildcards: flags(
            run_of(wildcards)["evaluate"], "batch_size", "dpi"
        ),
        code=code("evaluate"),
    shell:
        "zfpipe evaluate --model {input.models:q} --val {input.vals:q} --name {params.names:q} {params.settings} "
        "--device {resources.device} --threads {threads} --out-csv {output.table:q} --out-confusion {output.confusion:q} "
        "--out-png {output.figure:q} 2> >(tee -a {log:q} >&2)"


rule invariance:
    input:
        model="results/{run}/train/model.pt",
        images=named_files("invariance"),
    output:
        table="results/{run}/invariance/invariance.csv",
        figure=report(
            "results/{run}/invariance/invariance.png",
            caption="../report/invariance.rst",
            category="{run}",
            labels={"layer": "", "shows": "invariance"},
        ),
    log:
        "results/{run}/log/invariance.log",
    conda:
        "../envs/zfpipe.yaml"
    resources:
        **needs("invariance"),
    params:
        images=lambda wildcards: list(
            run_of(wildcards)["invariance"]["images"].values()
        ),
        names=lambda wildcards: list(run_of(wildcards)["invariance"]["images"]),
        labels=labels_of("invariance"),
        settings=lambda wildcards: flags(
            run_of(wildcards)["invariance"], "layers", "batch_size", "dpi"
        ),
        code=code("invariance"),
    shell:
        "zfpipe invariance --model {input.model:q} --image {params.images:q} --name {params.names:q} "
        "--label {params.labels:q} {params.settings} --title {wildcards.run} --device {resources.device} "
        "--out-csv {output.table:q} --out-png {output.figure:q} 2> >(tee -a {log:q} >&2)"


rule similarity:
    input:
        model="results/{run}/train/model.pt",
        control=lambda wildcards: f"results/{run_of(wildcards)['similarity']['to']}/train/model.pt",
        images=packed("val"),
        topk="results/{run}/mine/topk.h5",
    output:
        table="results/{run}/similarity/similarity.csv",
        figure=report(
            "results/{run}/similarity/similarity.png",
            caption="../report/similarity.rst",
            category="{run}",
            labels={"layer": "", "shows": "beside the untrained network"},
        ),
    log:
        "results/{run}/log/similarity.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: 4
    resources:
        **needs("similarity"),
    params:
        settings=lambda wildcards: flags(
            run_of(wildcards)["similarity"], "units", "seed", "dpi"
        ),
        title=lambda wildcards: f"{wildcards.run} beside {run_of(wildcards)['similarity']['to']}",
        code=code("similarity"),
    shell:
        "zfpipe similarity --model {input.model:q} --control {input.control:q} --images {input.images:q} "
        "--topk {input.topk:q} {params.settings} --title {params.title:q} --device {resources.device} --threads {threads} "
        "--out-csv {output.table:q} --out-png {output.figure:q} 2> >(tee -a {log:q} >&2)"


rule ablate:
    input:
        models=expand("results/{run}/train/model.pt", run=RUNS),
        metrics=expand("results/{run}/train/metrics.csv", run=RUNS),
    output:
        table="results/ablate/ablate.csv",
        figure=report(
            "results/ablate/ablate.png",
            caption="../report/ablate.rst",
            category="all runs",
            labels={"layer": "", "shows": "errors and parameters"},
        ),
    log:
        "results/ablate/log/ablate.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        names=list(RUNS),
        imagenet=[run for run in RUNS if of_imagenet(run)],
        settings=flags(EXPERIMENT["ablate"], "dpi"),
        code=code("ablate"),
    shell:
        "zfpipe ablate --model {input.models:q} --metrics {input.metrics:q} --name {params.names:q} "
        "--imagenet {params.imagenet:q} {params.settings} --out-csv {output.table:q} --out-png {output.figure:q} "
        "2> >(tee -a {log:q} >&2)"


# Units through training. The state folder is no input, for no rule owns it: model.pt names its training there.
rule evolve:
    input:
        model="results/{run}/train/model.pt",
        train=packed("train"),
    output:
        "results/{run}/evolve/evolve.h5",
    log:
        "results/{run}/log/evolve.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: lambda wildcards: run_of(wildcards)["evolve"]["threads"]
    resources:
        **needs("evolve"),
    params:
        state="results/{run}/state",
        settings=lambda wildcards: flags(
            run_of(wildcards)["evolve"],
            "layers",
            "epochs",
            "units",
            "images",
            "seed",
            "batch_size",
        ),
        collide=lambda wildcards: flags(run_of(wildcards)["reconstruct"], "collide"),
        code=code("evolve"),
    shell:
        "zfpipe evolve --model {input.model:q} --train {input.train:q} --state {params.state:q} {params.settings} "
        "{params.collide} --device {resources.device} --threads {threads} --out {output:q} 2> >(tee -a {log:q} >&2)"


rule filmstrip:
    input:
        "results/{run}/evolve/evolve.h5",
    output:
        png=report(
            "results/{run}/filmstrip/{layer}.png",
            caption="../report/filmstrip.rst",
            category="{run}",
            labels={"layer": "{layer}", "shows": "through the epochs"},
        ),
        pdf="results/{run}/filmstrip/{layer}.pdf",
    log:
        "results/{run}/log/filmstrip-{layer}.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        settings=lambda wildcards: flags(
            run_of(wildcards)["figure"], "quantile", "channels"
        ),
        dpi=lambda wildcards: flags(run_of(wildcards)["evolve"], "dpi"),
        code=code("filmstrip"),
    shell:
        "zfpipe filmstrip --evolution {input:q} --layer {wildcards.layer} --title {wildcards.run} {params.settings} "
        "{params.dpi} --out-png {output.png:q} --out-pdf {output.pdf:q} 2> >(tee -a {log:q} >&2)"

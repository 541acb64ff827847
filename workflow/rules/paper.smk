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
        mem_mb=growing(4000),
        runtime=growing(60),
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
        device=EXPERIMENT["device"],
        code=code("occlude"),
    shell:
        "zfpipe occlude --model {input.model:q} --image {params.image:q} --title {wildcards.image} {params.label} "
        "--reconstruction {input.reconstruction:q} {params.settings} --device {params.device} "
        "--out-csv {output.table:q} --out-png {output.figure:q} 2> >(tee -a {log:q} >&2)"

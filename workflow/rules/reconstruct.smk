# Every top activation of a layer back to pixels; layers side by side.
rule reconstruct:
    input:
        model="results/{run}/train/model.pt",
        images=packed("val"),
        topk="results/{run}/mine/topk.h5",
    output:
        "results/{run}/reconstruct/{layer}.h5",
    log:
        "results/{run}/log/reconstruct-{layer}.log",
    benchmark:
        "results/{run}/log/reconstruct-{layer}.tsv"
    conda:
        "../envs/zfpipe.yaml"
    threads: lambda wildcards: run_of(wildcards)["reconstruct"]["threads"]
    resources:
        **needs("reconstruct"),
    params:
        units=reconstructed_units,
        settings=lambda wildcards: flags(run_of(wildcards)["reconstruct"], "collide"),
        code=code("reconstruct"),
    shell:
        "zfpipe reconstruct --model {input.model:q} --images {input.images:q} --topk {input.topk:q} "
        "--layer {wildcards.layer} {params.units} {params.settings} --device {resources.device} --threads {threads} "
        "--out {output:q} 2> >(tee -a {log:q} >&2)"

# The strongest activations over the whole validation set: shards side by side, then one file.
rule mine:
    input:
        model="results/{run}/train/model.pt",
        images=packed("val"),
    output:
        "results/{run}/mine/shard-{shard}-of-{of}.h5",
    log:
        "results/{run}/log/mine-{shard}-of-{of}.log",
    benchmark:
        "results/{run}/log/mine-{shard}-of-{of}.tsv"
    conda:
        "../envs/zfpipe.yaml"
    threads: lambda wildcards: run_of(wildcards)["mine"]["threads"]
    resources:
        **needs("mine"),
    params:
        layers=lambda wildcards: run_of(wildcards)["layers"],
        settings=lambda wildcards: flags(
            run_of(wildcards)["mine"], "k", "batch_size", "precision"
        ),
        code=code("mine"),
    shell:
        "zfpipe mine --model {input.model:q} --images {input.images:q} --layers {params.layers:q} {params.settings} "
        "--shard {wildcards.shard} --of {wildcards.of} --device {resources.device} --threads {threads} "
        "--out {output:q} 2> >(tee -a {log:q} >&2)"


rule merge:
    input:
        shards,
    output:
        "results/{run}/mine/topk.h5",
    log:
        "results/{run}/log/merge.log",
    conda:
        "../envs/zfpipe.yaml"
    params:
        code=code("merge"),
    shell:
        "zfpipe merge --shards {input:q} --out {output:q} 2> >(tee -a {log:q} >&2)"

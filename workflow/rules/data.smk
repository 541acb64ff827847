# From images to packed splits.
rule photographs:
    output:
        directory("results/data/{dataset}/photographs"),
    log:
        "results/data/{dataset}/log/photographs.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: 4
    params:
        settings=lambda wildcards: flags(
            dataset_of(wildcards), "tile", "across", "stride", "labels", "min_contrast"
        ),
        code=code("photographs"),
    shell:
        "zfpipe photographs --out {output:q} {params.settings} --threads {threads} 2> >(tee -a {log:q} >&2)"


rule unpack:
    output:
        directory("results/data/{dataset}/unpack"),
    log:
        "results/data/{dataset}/log/unpack.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: 4
    resources:
        **needs("unpack"),
    params:
        source=lambda wildcards: flags(dataset_of(wildcards), "source", "root"),
        download=lambda wildcards: (
            "--download" if dataset_of(wildcards)["download"] else ""
        ),
        code=code("unpack"),
    shell:
        "zfpipe unpack {params.source} {params.download} --out {output:q} --threads {threads} 2> >(tee -a {log:q} >&2)"


rule check:
    input:
        source_files,
    output:
        manifest="results/data/{dataset}/check/manifest.csv",
        html=report(
            "results/data/{dataset}/check/report.html",
            caption="../report/check.rst",
            category="data",
            labels={"data set": "{dataset}", "shows": "check"},
        ),
        json="results/data/{dataset}/check/report.json",
    log:
        "results/data/{dataset}/log/check.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: lambda wildcards: dataset_of(wildcards)["check"]["threads"]
    resources:
        **needs("check"),
    params:
        root=image_root,
        source=source_flags,
        files=folder_listing,
        settings=lambda wildcards: flags(
            dataset_of(wildcards), "val_fraction", "channels"
        ),
        policy=check_policy,
        least=least_size,
        # Snakemake deletes what a failed rule made; the report of a failed check is what its reader needs.
        kept="results/data/{dataset}/log/check-report.html",
        code=code("check"),
    shell:
        "zfpipe check --root {params.root:q} {params.source} --min-size {params.least} {params.settings} {params.policy} "
        "--name {wildcards.dataset} --threads {threads} --out-manifest {output.manifest:q} --out-html {params.kept:q} "
        "--out-json {output.json:q} 2> >(tee -a {log:q} >&2) && cp {params.kept:q} {output.html:q}"


rule pack:
    input:
        "results/data/{dataset}/check/manifest.csv",
    output:
        "results/data/{dataset}/pack/{size}/{split}.h5",
    log:
        "results/data/{dataset}/log/pack-{size}-{split}.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: 8
    resources:
        **needs("pack"),
    params:
        root=image_root,
        channels=lambda wildcards: dataset_of(wildcards)["channels"],
        code=code("pack"),
    shell:
        "zfpipe pack --manifest {input:q} --root {params.root:q} --split {wildcards.split} --size {wildcards.size} "
        "--channels {params.channels} --threads {threads} --out {output:q} 2> >(tee -a {log:q} >&2)"

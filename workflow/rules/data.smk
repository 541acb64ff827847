# From images to packed splits.
rule photographs:
    output:
        directory("results/data/{dataset}/photographs"),
    log:
        "results/data/{dataset}/log/photographs.log",
    threads: 4
    params:
        settings=lambda wildcards: flags(
            dataset_of(wildcards), "tile", "across", "stride", "labels", "min_contrast"
        ),
        code=code("photographs"),
    shell:
        "zfpipe photographs --out {output:q} {params.settings} --threads {threads} 2> >(tee -a {log:q} >&2)"


rule check:
    input:
        lambda wildcards: image_root(wildcards) if has_photographs(wildcards) else [],
    output:
        manifest="results/data/{dataset}/check/manifest.csv",
        html="results/data/{dataset}/check/report.html",
        json="results/data/{dataset}/check/report.json",
    log:
        "results/data/{dataset}/log/check.log",
    threads: lambda wildcards: dataset_of(wildcards)["check"]["threads"]
    params:
        root=image_root,
        files=lambda wildcards: (
            None
            if has_photographs(wildcards)
            else folder_listing(image_root(wildcards))
        ),
        settings=lambda wildcards: flags(dataset_of(wildcards), "val_fraction"),
        severity=lambda wildcards: flags(
            {
                "severity": [
                    f"{name}={level}"
                    for name, level in dataset_of(wildcards)["check"][
                        "severity"
                    ].items()
                ]
            },
            "severity",
        ),
        leave_out=lambda wildcards: flags(dataset_of(wildcards)["check"], "leave_out"),
        least=lambda wildcards: least_size(wildcards.dataset),
        # Snakemake deletes what a failed rule made; the report of a failed check is what its reader needs.
        kept="results/data/{dataset}/log/check-report.html",
        code=code("check"),
    shell:
        "zfpipe check --root {params.root:q} --min-size {params.least} {params.settings} {params.severity} "
        "{params.leave_out} --threads {threads} --out-manifest {output.manifest:q} --out-html {output.html:q} "
        "--out-json {output.json:q} 2> >(tee -a {log:q} >&2) "
        "|| {{ mv -f {output.html:q} {params.kept:q} && echo 'The report: '{params.kept:q} >&2; exit 1; }}"


rule pack:
    input:
        "results/data/{dataset}/check/manifest.csv",
    output:
        "results/data/{dataset}/pack/{size}/{split}.h5",
    log:
        "results/data/{dataset}/log/pack-{size}-{split}.log",
    threads: 8
    params:
        root=image_root,
        code=code("pack"),
    shell:
        "zfpipe pack --manifest {input:q} --root {params.root:q} --split {wildcards.split} --size {wildcards.size} "
        "--threads {threads} --out {output:q} 2> >(tee -a {log:q} >&2)"

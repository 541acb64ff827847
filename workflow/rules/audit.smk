# Suspect labels: what the trained network doubts.
rule audit:
    input:
        model="results/{run}/train/model.pt",
        train=packed_train,
        val=packed("val"),
    output:
        table="results/{run}/audit/audit.csv",
        html=report(
            "results/{run}/audit/audit.html",
            caption="../report/audit.rst",
            category="{run}",
            labels={"layer": "", "shows": "suspect labels"},
        ),
        exclusions="results/{run}/audit/exclusions.csv",
    log:
        "results/{run}/log/audit.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: lambda wildcards: run_of(wildcards)["audit"]["threads"]
    resources:
        **needs("audit"),
    params:
        train=lambda wildcards, input: flags({"train": input.train or None}, "train"),
        settings=lambda wildcards: flags(run_of(wildcards)["audit"], "batch_size"),
        title=lambda wildcards: f"{run_of(wildcards)['dataset']}, as run {wildcards.run} sees it",
        code=code("audit"),
    shell:
        "zfpipe audit --model {input.model:q} {params.train} --val {input.val:q} {params.settings} "
        "--title {params.title:q} --device {resources.device} --threads {threads} --out-csv {output.table:q} --out-html {output.html:q} "
        "--out-exclusions {output.exclusions:q} 2> >(tee -a {log:q} >&2)"

# Training. Every epoch is kept in the state folder, which no rule owns, so that no rule deletes it.
rule train:
    input:
        train=lambda wildcards: (
            [] if train_manifest(wildcards) else packed_train(wildcards)
        ),
        manifest=train_manifest,
        val=packed("val"),
        weights=given_weights,
    output:
        model="results/{run}/train/model.pt",
        metrics=report(
            "results/{run}/train/metrics.csv",
            caption="../report/metrics.rst",
            category="{run}",
            labels={"layer": "", "shows": "training, table"},
        ),
        curves=report(
            "results/{run}/train/curves.png",
            caption="../report/curves.rst",
            category="{run}",
            labels={"layer": "", "shows": "training"},
        ),
    log:
        "results/{run}/log/train.log",
    benchmark:
        "results/{run}/log/train.tsv"
    conda:
        "../envs/zfpipe.yaml"
    threads: lambda wildcards: run_of(wildcards)["train"]["threads"]
    resources:
        **needs("train"),
        # No parameters: on how many a training runs makes it no other one, so other numbers repeat nothing.
        devices=training_devices,
        workers=lambda wildcards: run_of(wildcards)["train"]["workers"],
    params:
        model=lambda wildcards: json.dumps(run_of(wildcards)["model"], sort_keys=True),
        train=train_flags,
        settings=lambda wildcards: flags(run_of(wildcards)["train"], *TRAINING),
        preprocess=weights_settings,
        network=network_code,
        keep=lambda wildcards: flags(
            {"keep_epoch": run_of(wildcards)["train"]["keep_epochs"]}, "keep_epoch"
        ),
        state="results/{run}/state",
        # How curves are drawn decides no weight.
        code=code("train", without=("zfpipe.pictures",)),
    shell:
        "zfpipe train {params.train} --val {input.val:q} --model {params.model:q} {params.settings} {params.keep} "
        "{params.preprocess} --title {wildcards.run} "
        "--state {params.state:q} --device {resources.device} --devices {resources.devices} --workers {resources.workers} --threads {threads} --out-model {output.model:q} "
        "--out-metrics {output.metrics:q} --out-curves {output.curves:q} 2> >(tee -a {log:q} >&2)"

# Training. Every epoch is kept in the state folder, which no rule owns, so that no rule deletes it.
TRAINING = (
    "epochs batch_size learning_rate momentum weight_decay schedule patience factor dropout filter_radius "
    "initialisation initial_scale seed crops scale_range rotation brightness colour mean std"
).split()


def given_weights(wildcards):
    weights = run_of(wildcards)["model"].get("weights")
    return [] if weights in (None, "random") else weights


rule train:
    input:
        train=lambda wildcards: (
            packed("train")(wildcards) if run_of(wildcards)["train"]["epochs"] else []
        ),
        val=packed("val"),
        weights=given_weights,
    output:
        model="results/{run}/train/model.pt",
        metrics="results/{run}/train/metrics.csv",
        curves="results/{run}/train/curves.png",
    log:
        "results/{run}/log/train.log",
    benchmark:
        "results/{run}/log/train.tsv"
    threads: lambda wildcards: run_of(wildcards)["train"]["threads"]
    params:
        model=lambda wildcards: json.dumps(run_of(wildcards)["model"], sort_keys=True),
        train=lambda wildcards, input: flags({"train": input.train or None}, "train"),
        settings=lambda wildcards: flags(run_of(wildcards)["train"], *TRAINING),
        keep=lambda wildcards: flags(
            {"keep_epoch": run_of(wildcards)["train"]["keep_epochs"]}, "keep_epoch"
        ),
        state="results/{run}/state",
        device=EXPERIMENT["device"],
        code=code("train"),
    shell:
        "zfpipe train {params.train} --val {input.val:q} --model {params.model:q} {params.settings} {params.keep} "
        "--state {params.state:q} --device {params.device} --threads {threads} --out-model {output.model:q} "
        "--out-metrics {output.metrics:q} --out-curves {output.curves:q} 2> >(tee -a {log:q} >&2)"

# Linear classifiers on what each layer makes of another data set (paper, tables 4, 5 and 7).
from zfpipe.nets.generalisation import KNOWN


def probed(split):
    """Input function: the packed split of the data set that a run is probed on."""
    return lambda wildcards: packed_file(
        wildcards.run, split, run_of(wildcards)["probe"]["dataset"]
    )


def probed_layers(wildcards):
    """Options: the layers named; or the run's own, and the network's dense ones."""
    run = run_of(wildcards)
    given = flags(
        {"layers": run["probe"]["layers"] or run["layers"]},
        "layers",
    )
    return given if run["probe"]["layers"] else f"{given} --dense"


def papers_dataset(wildcards):
    """Option: the name of a data set that the paper has numbers for, by its source or its name in the config."""
    name = run_of(wildcards)["probe"]["dataset"]
    source = EXPERIMENT["datasets"][name]["source"]
    known = next((word for word in (source, name) if word in KNOWN), None)
    return flags({"paper": known}, "paper")


def beside_probe(wildcards):
    """Options: what is probed beside the network. The recipe counts only where something is trained by it."""
    run = run_of(wildcards)
    options = "--control" if run["probe"]["control"] else ""
    if not run["probe"]["scratch_epochs"]:
        return options
    keys = [key for key in TRAINING if key not in ("epochs", "seed", "precision")]
    recipe = json.dumps({key: run["train"][key] for key in keys}, sort_keys=True)
    return f"{options} {flags(run['probe'] | {'recipe': recipe}, 'scratch_epochs', 'recipe')}"


rule probe:
    input:
        model="results/{run}/train/model.pt",
        train=probed("train"),
        val=probed("val"),
    output:
        table="results/{run}/probe/probe.csv",
        summary=report(
            "results/{run}/probe/summary.csv",
            caption="../report/probe.rst",
            category="{run}",
            labels={"layer": "", "shows": "probes, table"},
        ),
        figure=report(
            "results/{run}/probe/probe.png",
            caption="../report/probe.rst",
            category="{run}",
            labels={"layer": "", "shows": "probes"},
        ),
    log:
        "results/{run}/log/probe.log",
    conda:
        "../envs/zfpipe.yaml"
    threads: 4
    resources:
        **needs("probe"),
    params:
        layers=probed_layers,
        paper=papers_dataset,
        beside=beside_probe,
        settings=lambda wildcards: flags(
            run_of(wildcards)["probe"],
            "images_per_class",
            "test_images",
            "draw",
            "splits",
            "classifiers",
            "features",
            "memory",
            "seed",
            "batch_size",
            "dpi",
        ),
        strengths=lambda wildcards: " ".join(map(str, run_of(wildcards)["probe"]["C"])),
        title=lambda wildcards: f"{wildcards.run}, its layers on {run_of(wildcards)['probe']['dataset']}",
        device=EXPERIMENT["device"],
        code=code("probe"),
    shell:
        "zfpipe probe --model {input.model:q} --train {input.train:q} --val {input.val:q} {params.layers} {params.settings} "
        "--C {params.strengths} {params.beside} {params.paper} --title {params.title:q} --device {params.device} "
        "--threads {threads} --out-csv {output.table:q} --out-summary {output.summary:q} --out-png {output.figure:q} "
        "2> >(tee -a {log:q} >&2)"

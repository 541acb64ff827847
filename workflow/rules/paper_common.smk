# Helpers for the rules of the paper's experiments. Nothing here makes a file.
from zfpipe.nets.generalisation import KNOWN

FILTERED = EXPERIMENT["filters"]["runs"]


def filmstrips(run):
    """All figures of units through training for a run."""
    return [
        f"results/{run}/filmstrip/{layer}.{kind}"
        for layer in RUNS[run]["evolve"]["layers"]
        for kind in ("png", "pdf")
    ]


def with_control():
    """The runs that are compared with an untrained one."""
    return [run for run in RUNS if RUNS[run]["similarity"]["to"]]


def every_layer():
    return [(run, layer) for run in RUNS for layer in RUNS[run]["layers"]]


def second_layer(run):
    """The reconstruction of a run's second layer, or - where the run does not list it."""
    layer = RUNS[run]["second_layer"]
    return f"results/{run}/reconstruct/{layer}.h5" if layer else "-"


def radius_of(run):
    """The radius that a run's filters were renormalised to; 0 where they were not, or are given."""
    train = RUNS[run]["train"]
    return train["filter_radius"] if train["epochs"] else 0


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

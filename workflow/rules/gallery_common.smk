# Helpers of the rule gallery. Nothing here makes a file.
def told_settings(wildcards):
    """What the gallery tells of the config."""
    return json.dumps(told(wildcards.run), sort_keys=True)


def reconstructions(run):
    return [f"results/{run}/reconstruct/{layer}.h5" for layer in RUNS[run]["layers"]]


def evolution_file(wildcards):
    """Input function: units through training, where the run asks for them."""
    run = wildcards.run
    return f"results/{run}/evolve/evolve.h5" if RUNS[run]["evolve"]["enabled"] else []


def beside_files(wildcards):
    """Input function: what a gallery shows of the run that is set beside its own."""
    other = run_of(wildcards)["gallery"]["beside"]
    if other is None:
        return []
    return [
        f"results/{other}/mine/topk.h5",
        f"results/{other}/train/metrics.csv",
        *reconstructions(other),
    ]


def beside_flags(wildcards, input):
    """The same as options of `zfpipe gallery`."""
    other = run_of(wildcards)["gallery"]["beside"]
    if other is None:
        return ""
    topk, metrics, *layers = input.beside
    options = {"beside": other, "beside_topk": topk, "beside_metrics": metrics}
    options |= {"beside_reconstructions": layers}
    return flags(options, *options)

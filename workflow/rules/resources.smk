# What a cluster is asked for each job: `cluster` of the config, in the names that Snakemake's Slurm plugin gives it.
# On one machine the scheduler minds memory and GPUs only if it is told how many there are: --resources mem_mb=... gpu=1.
CLUSTER = EXPERIMENT["cluster"]
COMPUTING = (
    "train",
    "audit",
    "mine",
    "reconstruct",
    "occlude",
    "evaluate",
    "invariance",
    "similarity",
    "correspond",
    "probe",
    "evolve",
)
SLURM = {
    "partition": "slurm_partition",
    "account": "slurm_account",
    "qos": "qos",
    "constraint": "constraint",
    "extra": "slurm_extra",
    "gres": "gres",
    "model": "gpu_model",
}


def growing(first, most=None):
    """A resource that grows with each attempt, up to the most that a site has."""
    return lambda wildcards, attempt: min(first * attempt, most or first * attempt)


def training_devices(wildcards):
    """The number of GPUs (or processes) that train a run together; to take given weights as they are needs one."""
    train = run_of(wildcards)["train"]
    return train["devices"] if train["epochs"] else 1


def so_many(gres, devices):
    """Slurm's words for one GPU (gpu, gpu:a100, gpu:a100:1) as those for several; other words are left as they are."""

    def asked(wildcards):
        count = devices(wildcards)
        words = re.fullmatch(r"(gpu(:[A-Za-z]\w*)?)(:1)?", gres)
        return f"{words[1]}:{count}" if words and count > 1 else gres

    return asked


def needs(stage):
    """The resources of a stage's job. What the config leaves open is not named, so that a profile can say it."""
    gpu = stage in COMPUTING and EXPERIMENT["device"] == "cuda"
    over = {key: value for key, value in CLUSTER["gpu"].items() if gpu and value}
    asked = {
        SLURM[key]: value
        for key, value in (CLUSTER | over).items()
        if key in SLURM and value
    }
    several = gpu and stage == "train"
    if gpu and "gres" not in asked:
        asked["gpu"] = training_devices if several else 1
    elif several:
        asked["gres"] = so_many(asked["gres"], training_devices)
    if stage in COMPUTING:
        # No parameter: where a stage computes makes it no other one, so another device repeats nothing.
        asked["device"] = EXPERIMENT["device"]
    return asked | {
        "mem_mb": growing(CLUSTER["mem_mb"][stage], CLUSTER["max_mem_mb"]),
        "runtime": growing(CLUSTER["runtime"][stage], CLUSTER["max_runtime"]),
    }

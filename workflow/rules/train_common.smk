# What a training reads and is told, for the rules that ask. Nothing here makes a file.
def packed_train(wildcards):
    """Given weights that are taken as they are need no training images; an untrained control does, for its mean."""
    run = run_of(wildcards)
    train, weights = run["train"], run["model"].get("weights")
    counted = weights == "random" and {"pixel", "channel"} & {
        str(train["mean"]),
        str(train["std"]),
    }
    return packed("train")(wildcards) if train["epochs"] or counted else []


def train_manifest(wildcards):
    """What a training reads in place of the packed split, where its images come from their own files."""
    run = run_of(wildcards)
    if run["train"]["read"] == "packed" or not packed_train(wildcards):
        return []
    return f"results/data/{run['dataset']}/check/manifest.csv"


def train_flags(wildcards, input):
    """The training images, as options of `zfpipe train`."""
    if not input.manifest:
        return flags({"train": input.train or None}, "train")
    root = EXPERIMENT["datasets"][run_of(wildcards)["dataset"]]["root"]
    return flags(
        {"train_manifest": input.manifest, "root": root}, "train_manifest", "root"
    )


def given_weights(wildcards):
    """A file that is there; torchvision's own weights, by name, are no file of ours.

    Files that the config names are `local`: they stand where it says, also where results go to a storage.
    """
    weights = run_of(wildcards)["model"].get("weights")
    return local(weights) if weights and os.path.isfile(weights) else []


def weights_settings(wildcards):
    """What given weights want done to pixels, as an option of `zfpipe train`; sizes are for the rule pack."""
    asked = run_of(wildcards).get("preprocess")
    if asked is None:
        return ""
    used = {key: asked[key] for key in asked if key not in ("resize", "crop")}
    return flags({"preprocess": json.dumps(used, sort_keys=True)}, "preprocess")


def network_code(wildcards):
    """Digest of the code of a network of one's own: an edited one is trained anew."""
    name = run_of(wildcards)["model"]["name"]
    if ":" not in name or name.startswith("torchvision:"):
        return None
    from zfpipe.nets.yours import code_of  # here, since most runs have none

    return code_of(name)

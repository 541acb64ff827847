"""`zfpipe STAGE ...`: one subcommand a stage. A stage is imported only when it is asked for."""

import argparse
import importlib
import os
import sys

from zfpipe import __version__
from zfpipe.errors import UserError, nearest, out_of_memory
from zfpipe.waiting import wait_briefly

STAGES = {
    "photographs": "cut the photographs that ship with scikit-image and scikit-learn into a small data set",
    "unpack": "write a published data set that comes in arrays (CIFAR, STL-10, SVHN) as an image folder",
    "check": "look at every file of a data set; write the manifest and a report",
    "pack": "decode the images once, at one size, into HDF5",
    "train": "train a network, or take given weights as they are",
    "audit": "find images whose given label the trained network finds unlikely",
    "evaluate": "top-1 and top-5 on the validation set, from one and ten views, of one network or several averaged",
    "compare": "set all runs side by side: one table, one page with their figures",
    "ablate": "errors and parameters of several runs in one table: what layers and their sizes are worth",
    "filters": "set the filters of several runs side by side; count dead, dominated and aliased ones",
    "mine": "find the strongest activations of every unit over one shard of the images",
    "merge": "join the shards into one top-k file",
    "reconstruct": "project every top activation of a layer back to pixels with the deconvnet",
    "figure": "draw a layer: reconstructions beside image patches, unit by unit",
    "evolve": "follow units through training: their strongest activation at chosen epochs, projected",
    "filmstrip": "draw a layer's units through training, an epoch a column",
    "invariance": "shift, enlarge and turn images and see how far the network's answer moves",
    "similarity": "compare projections with those of the same network untrained, as numbers",
    "probe": "linear classifiers on each layer's features of another data set, from a few images a class",
    "selectivity": "say which classes the strongest images of each unit come from, as a table",
    "correspond": "mask the same part of several images and see how alike the network's features change",
    "occlude": "slide a grey square over an image and see what the network loses",
    "gallery": "write a web site in which every unit can be looked at; it opens from the file system",
    "view": "project the strongest feature maps of one image back to pixels",
    "layers": "list the layers of a model: channels, map size, receptive field, jump, window",
}
PICTURES = {"out_png": ".png", "out_curves": ".png", "out_pdf": ".pdf"}  # options of any stage, and what they write
EPILOG = "Each stage has its own help: zfpipe STAGE --help. The whole pipeline: snakemake --cores 8."


def main(argv: list[str] | None = None) -> int:
    """Run one stage; return the exit status (0 done, 1 the user's mistake, 2 wrong arguments)."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0].startswith("-"):
        return _top_level(argv)
    stage = argv[0]
    if stage not in STAGES:
        return _fail("", f"there is no stage {stage!r}{nearest(stage, STAGES)}; stages: {', '.join(STAGES)}.", 2)
    wait_briefly()
    arguments = argparse.Namespace()
    try:  # the import too: it takes a second, in which a user may think better of it
        module = importlib.import_module(f"zfpipe.stages.{stage}")
        parser = argparse.ArgumentParser(
            prog=f"zfpipe {stage}",
            description=module.__doc__,
            formatter_class=_HelpWithDefaults,
            allow_abbrev=False,
        )
        module.add_arguments(parser)
        arguments = parser.parse_args(argv[1:])
        _require_endings(arguments)
        module.run(arguments)
    except UserError as error:
        return _fail(stage, str(error), 1)
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # no such file, no permission, disk full: never a bug of ours to trace
        return _fail(stage, f"{error.strerror or error}: {error.filename}" if error.filename else str(error), 1)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return _fail(stage, _more_memory(stage, arguments, out_of_memory(error)), 1)
    except KeyboardInterrupt:
        return _fail(stage, "interrupted; nothing half-written was left.", 130)
    return 0


def _require_endings(arguments: argparse.Namespace) -> None:
    """Raise UserError for a picture whose name would say that it is of another kind."""
    for option, right in PICTURES.items():
        path = getattr(arguments, option, None)
        ending = os.path.splitext(path)[1] if path else ""
        if ending.lower() not in ("", right):
            kind = right.removeprefix(".").upper()
            raise UserError(f"{path} would be a {kind}, which the ending {ending} denies; choose a name with {right}.")


class _HelpWithDefaults(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keep the docstring's lines; say each default once."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.required or isinstance(action.default, bool):
            return action.help
        return super()._get_help_string(action)


def _more_memory(stage: str, arguments: argparse.Namespace, where: str) -> str:
    """Say what would help; a stage never takes another batch than asked for if that changed its answer."""
    size = getattr(arguments, "batch_size", None)
    held = f"batches of {size} ({stage}.batch_size)" if size else "what it needs"
    ways = [f"set {stage}.batch_size lower"] if size and size > 1 else []
    more = f"give the job more (on a cluster: cluster.mem_mb.{stage})"
    ways.append("take a GPU with more memory" if where == "GPU" else more)
    return f"the {where} has not enough memory for {held}; {' or '.join(ways)}."


def _top_level(argv: list[str]) -> int:
    width = max(map(len, STAGES))
    listing = "\n".join(f"  {name:<{width}}  {line}" for name, line in STAGES.items())
    parser = argparse.ArgumentParser(
        prog="zfpipe",
        usage="zfpipe STAGE [options]",
        description=f"See what each unit of a convolutional network looks for.\n\nstages:\n{listing}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"zfpipe {__version__}")
    parser.parse_args(argv)
    parser.print_help()
    return 0


def _fail(stage: str, message: str, status: int) -> int:
    print(f"zfpipe{' ' if stage else ''}{stage}: error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())

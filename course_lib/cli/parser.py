"""The words of the command line and their help."""

import argparse
import math
import os
import re
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version

from course_lib.arguments import Parser, duration, fraction, path, whole, word
from course_lib.changes import Changes, Part

EXAMPLES = """examples:
  python -m course_lib train p4cnn --small            a first try: bundled digits, a CPU, minutes
  python -m course_lib train p4cnn                    the full recipe; continues where it was stopped
  python -m course_lib train p4cnn --recipe laptop    a short recipe, the same for every network: minutes on one core
  python -m course_lib train p4cnn --data my.npz      the same network and recipe on your images
  python -m course_lib train p4cnn --group D4 --width 7  the same recipe on p4m, about as many parameters
  python -m course_lib table rotated-mnist --seeds 5  every row that is not done yet
  python -m course_lib table cifar10 --seeds 8 --on ray --gpus-per-run 0.25      the same on a cluster
  python -m course_lib results                        all tables: published, ours, and what is not yet run
  python -m course_lib counts rotated-mnist           parameters and operations, ours beside the printed ones

exit status: 0 done, 1 error, 2 unknown word, 75 stopped (Ctrl-C, --time-budget): the same command goes on
under torchrun a run that its time budget stopped ends with 0: any other status would count as a failure there
"""
# As `experiments.TABLES` has them, which would take seconds to import; a test compares.
TABLE_NAMES = ("rotated-mnist", "cifar10", "e4-rotated-mnist", "e4-cifar", "asc", "steerable", "rivals")
_NAMES = ", ".join(TABLE_NAMES)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands but ``bench``, which has its own."""
    parser = Parser(
        prog="python -m course_lib",
        description="Train the networks of the papers' tables and compare with the published results.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _add_train(commands.add_parser("train", help="train one network, one seed"))
    _add_table(commands.add_parser("table", help="train every row of a table that is not done yet"))
    results = commands.add_parser("results", help="show all tables with what has been run")
    results.add_argument("name", nargs="?", type=word, metavar="NAME", help=f"only this table: {_NAMES}")
    results.add_argument("--write", action="store_true", help="write them into README.md of the folder, too")
    _add_results_folder(results)
    counts = commands.add_parser("counts", help="parameters and operations of a table's networks, ours and printed")
    counts.add_argument("name", type=word, metavar="NAME", help=f"a table: {_NAMES}")
    counts.add_argument("--exactness", action="store_true", help="measure which networks are exactly invariant, too")
    hours = commands.add_parser("hours", help="how long each table takes, computed from the results that are there")
    hours.add_argument("name", nargs="?", type=word, metavar="NAME", help=f"only this table: {_NAMES}")
    hours.add_argument("--seeds", type=whole(1), default=8, help="how many seeds of every row (8)")
    hours.add_argument("--cards", type=whole(1), default=1, help="how many such machines or GPUs (1)")
    _add_results_folder(hours)
    commands.add_parser("bench", help="measure speed and memory; see bench --help", add_help=False)
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.description = "Train a row of a table, or a network of your choice. Stops and continues at any time."
    parser.add_argument(
        "row", nargs="?", type=word, metavar="ROW", help="a row's key; `python -m course_lib results` lists them"
    )
    network = parser.add_argument_group("which network", "a ROW, as it is or on another group; or an architecture")
    network.add_argument("--group", type=_group, help="C1 (ordinary), C2, C4 (p4), D1, D2 or D4 (p4m)")
    network.add_argument("--width", type=whole(1, most=4096), metavar="CHANNELS", help="channels of the first layer")
    network.add_argument(
        "--arch", type=word, help="instead of ROW: the architecture of some row, for example p4cnn_linear"
    )
    network.add_argument(
        "--layer", type=word, help="with --arch: the kind of layer, as in some row: full, g, gc, … (full)"
    )
    parser.add_argument("--seed", type=whole(0, most=2**32 - 1), default=0,
                        help="of weights, order, augmentation, dropout; data is drawn by seed 0 always")  # fmt: skip
    _add_training(parser)


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train every row of a table for every seed; what is done is left alone. Start the command twice, or on two "
        "machines that share the folder of results, and they share the work."
    )
    parser.add_argument("name", type=word, metavar="NAME", help=f"a table: {_NAMES}")
    parser.add_argument("--rows", nargs="+", type=word, default=[], metavar="ROW", help="only these rows of the table")
    parser.add_argument("--seeds", type=whole(1), default=1, help="how many seeds, from 0 (1)")
    parser.add_argument("--quiet", action="store_true", help="no bar, and no table at the end")
    cluster = parser.add_argument_group("on a cluster")
    cluster.add_argument("--on", choices=["ray"], help="every run as a task of a Ray cluster, one core or GPU each")
    cluster.add_argument("--address", type=word, metavar="HOST:PORT|auto",
                         help="of the cluster; by default the one on this machine, else one is started")  # fmt: skip
    cluster.add_argument("--gpus-per-run", type=fraction, metavar="0.25", help="what part of a GPU each run takes (1)")
    _add_training(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=_data, metavar="NAME|PATH", help="instead of the recipe's data: "
                      "another name, an .npz file, or rotated:FILE.npz, which turns its images")  # fmt: skip
    _add_changes(data, "data")
    data.add_argument("--small", action="store_true", help="bundled digits, few epochs, to see on a CPU that it works")
    recipe = parser.add_argument_group("recipe, and changes of it, which the result names")
    recipe.add_argument("--recipe", choices=["published", "laptop"], default="published", help="the paper's own, or "
                        "one that a CPU can finish, the same for all networks of a data set")  # fmt: skip
    _add_changes(recipe, "recipe")
    run = parser.add_argument_group("how to run")
    run.add_argument("--device", type=word, help="cpu, cuda, cuda:1 or mps; by default a CUDA GPU if there is one")
    run.add_argument("--time-budget", type=duration, default=math.inf, metavar="25m",
                     help="stop after the last epoch that fits; the same command goes on")  # fmt: skip
    _add_changes(run, "run")
    _add_results_folder(run)


def _add_changes(group: argparse._ArgumentGroup, part: Part) -> None:
    for change in fields(Changes):
        about, name = change.metadata, change.name.replace("_", "-")
        if about["part"] != part:
            continue
        if "value" in about:
            option = f"--{name}" if about["value"] else f"--no-{name}"
            group.add_argument(option, dest=change.name, action="store_const", const=about["value"], help=about["help"])
        else:
            least, metavar = about["least"], about["metavar"]
            group.add_argument(f"--{name}", type=whole(least), metavar=metavar, help=about["help"])


def _add_results_folder(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--results", type=path, metavar="FOLDER", help="where the results are (data/results)")


def _data(text: str) -> str:
    """A name or a path, in which ``~`` is the home folder after ``rotated:`` too."""
    return re.sub("^(rotated:)?(~[^/]*)", lambda match: (match[1] or "") + os.path.expanduser(match[2]), word(text))


def _group(name: str) -> object:
    from course_lib import groups

    known = {group.name: group for group in groups.ALL_GROUPS}
    if name.upper() not in known:
        raise argparse.ArgumentTypeError(f"{name!r} is not a group here; there are {', '.join(known)}")
    return known[name.upper()]


def _version() -> str:
    try:
        return f"course_lib {version('equivariance-from-scratch')}"
    except PackageNotFoundError:  # a checkout that was not installed
        return "course_lib, not installed"

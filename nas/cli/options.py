"""The options of the commands, each said once, and what is read from them."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nas import __version__
from nas.common.errors import SpaceError
from nas.common.text import seconds_of as parse_seconds
from nas.search.options import RayCluster


class BaselineKind(StrEnum):
    """What a search can be compared with."""

    RANDOM = "random"


class Until(StrEnum):
    """Until when pairs are added."""

    RESOLVED = "resolved"


class Varied(StrEnum):
    """What twins can differ in."""

    SHORTCUT = "shortcut"
    TRANSITION = "transition"
    PLACEMENT = "placement"
    JOIN = "join"
    INITIALISATION = "initialisation"
    ACTIVATION_ORDER = "activation_order"
    BLOCK = "block"


def say_version(wanted: bool) -> None:
    """Print the version and end, for --version."""
    if wanted:
        typer.echo(f"nas {__version__}")
        raise typer.Exit


def spaces_that_begin(incomplete: str) -> list[str]:
    """Bundled spaces, folders and YAML files, for completion in a shell."""
    from nas.space.yaml import bundled_spaces

    here = Path(incomplete).parent if "/" in incomplete else Path()
    found = [f"{path}/" for path in here.glob("*/")]
    found += [str(path) for path in here.glob("*.y*ml")]
    return [name for name in [*bundled_spaces(), *sorted(found)] if name.startswith(incomplete)]


Version = Annotated[
    bool,
    typer.Option("--version", callback=say_version, is_eager=True, help="Print the version."),
]
Space = Annotated[
    str,
    typer.Argument(
        metavar="SPACE",
        help="A YAML file, or the name of a bundled space, as digits or cifar.",
        autocompletion=spaces_that_begin,
    ),
]
StudyName = Annotated[
    str | None,
    typer.Argument(
        metavar="[STUDY]",
        help="The name of a study, as `nas list` has it; the newest one if left out.",
    ),
]
Imports = Annotated[
    list[str] | None,
    typer.Option(
        "--import", metavar="MODULE", help="Import a module that registers parts of your own."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the space, as in training.epochs=3."
    ),
]
Storage = Annotated[
    str,
    typer.Option(envvar="NAS_STORAGE", metavar="URL", help="Where studies are kept."),
]
DataDir = Annotated[
    Path,
    typer.Option(
        envvar="NAS_DATA_DIR", metavar="DIR", help="Where data sets are looked up and kept."
    ),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where weights and reports go.")]
STOP_AFTER = "Stop after this time, with its unit: 90s, 20m, 2h. Resume later."
Timeout = Annotated[
    str | None,
    typer.Option(metavar="TIME", help=STOP_AFTER),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Worker processes of this machine; default: one for each GPU, else each core.",
    ),
]
WorkersPerGPU = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Workers that share a GPU, where there are some; left out, several of small networks.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="Where networks are trained: auto (GPUs if there are some), cpu, cuda, cuda:N or mps.",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Have Ray place the workers: HOST:PORT of a cluster's head, auto for the cluster of "
        "this machine; without an address one is started here. Needs the extra `ray`.",
    ),
]
CPUsPerWorker = Annotated[
    float, typer.Option(min=0.01, metavar="N", help="Cores of each worker that Ray places.")
]
GPUsPerWorker = Annotated[
    float, typer.Option(min=0, metavar="N", help="GPUs of each such worker; 0.5 is half of one.")
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run the class_path of a study that was made elsewhere."),
]
NumTrials = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Trials of the study in all: those it has count."),
]
NewStudyName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the study; default: the name of the space."),
]
Seed = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Seed of sampler, weights and batches.")
]
Baseline = Annotated[
    BaselineKind | None,
    typer.Option(help="Run random search with as many trials beside it, to compare."),
]
Extend = Annotated[
    bool,
    typer.Option(
        "--extend", help="Where the space has changed, go on with the trials that still fit."
    ),
]
Top = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Best candidates to take; default: those of the space."),
]
NumPairs = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Pairs of each comparison, one a seed.")
]
UntilWhen = Annotated[
    Until | None,
    typer.Option(help="Add pairs until each primary comparison is decided; then all else."),
]
MaxPairs = Annotated[
    int | None,
    typer.Option(
        "--max-seeds", min=2, metavar="N", help="With --until: pairs at most.  [default: 20]"
    ),
]
PlanOnly = Annotated[
    bool,
    typer.Option("--plan", help="Print what would be trained and what it can resolve, and stop."),
]
MaxTime = Annotated[
    str | None,
    typer.Option("--timeout", "--max-time", metavar="TIME", help=STOP_AFTER),
]
Depths = Annotated[str | None, typer.Option(metavar="N,N,…", help="Blocks in every stage.")]
Vary = Annotated[
    Varied | None, typer.Option(help="The choice twins differ in; default: that of the space.")
]


Budget = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Fill this time, as 30m or 8h, with pictures, epochs and trials, by trainings timed "
        "here. What is set is told first.",
    ),
]


class WithRay(typer.core.TyperCommand):
    """A command whose --ray may stand without an address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the address in where none follows."""
        pairs = zip(args, [*args[1:], "-"], strict=False)
        bare = [word == "--ray" and after.startswith("-") for word, after in pairs]
        given = [f"{word}=local" if one else word for word, one in zip(args, bare, strict=True)]
        return super().parse_args(ctx, given)


def cluster_of(
    address: str | None, workers: int | None, cpus: float, gpus: float
) -> RayCluster | None:
    """Where Ray places the workers and what each takes; None without --ray."""
    if address is None:
        return None
    return RayCluster(address=address, workers=workers, cpus=cpus, gpus=gpus)


def seconds_of(text: str | None, option: str = "--timeout") -> float | None:
    """The seconds of an option, if it is given; a number needs its unit."""
    if text is not None and re.fullmatch(r"[0-9]+(\.[0-9]*)?", text):
        raise SpaceError(f"{option} {text}: add the unit: {text}s, {text}m or {text}h.")
    try:
        return None if text is None else parse_seconds(text)
    except ValueError as error:
        raise SpaceError(f"{option} {text}: {error}") from error


def check_study_name(name: str | None) -> str | None:
    """A study's name becomes a folder: letters, digits, dots, dashes and underscores."""
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise SpaceError(
            f"--study {name!r}: use letters, digits, dots, dashes and underscores, 64 at most."
        )
    return name

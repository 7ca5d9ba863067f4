"""The command line."""

import errno
import os
from collections.abc import Callable

import typer

from nas.cli.answers import analyse, compare, verdict
from nas.cli.help import HELP, summary
from nas.cli.looks import check, dashboard, init, report, schema, status
from nas.cli.options import Version, WithRay
from nas.cli.output import INTERRUPTED, MENDABLE
from nas.cli.runs import export, payoff, search, worker
from nas.cli.studies import delete, list_studies, show
from nas.common.errors import UserError
from nas.common.streams import open_closed_streams
from nas.common.text import printable

__all__ = ["main"]

app = typer.Typer(
    name="nas",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=HELP,
)


#: every command, in the order of the help, with an example
COMMANDS: dict[Callable[..., None], str] = {
    init: "nas init . && $EDITOR spaces/cifar.yaml",
    check: "nas check cifar --cost",
    search: "nas search spaces/cifar.yaml --trials 6 --timeout 15m",
    worker: "nas worker cifar --storage postgresql://user@host/database",
    status: "nas status cifar",
    report: "nas report cifar",
    verdict: "nas verdict cifar --json",
    show: "nas show 12 cifar",
    list_studies: "nas list",
    delete: "nas delete cifar --yes",
    dashboard: "nas dashboard cifar --port 8080",
    export: "nas export cifar --seeds 3 --output best.py",
    payoff: "nas payoff cifar_small --seeds 6 --depths 1,3,5,9",
    compare: "nas compare cifar cifar_other_recipe",
    analyse: "nas analyse results.csv --vary shortcut --value accuracy --seed seed",
    schema: "nas schema > spaces/schema.json",
}
#: limits of the machine that errors without a file's name tell of
LIMITS = {
    errno.EAGAIN: "no more processes or threads can be started here",
    errno.ENOMEM: "memory has run out",
    errno.EMFILE: "no more files can be opened by this program",
    errno.ENFILE: "no more files can be opened on this machine",
    errno.ENOSPC: "a disk is full",
    errno.EDQUOT: "a disk has no more room for this user",
    errno.EFBIG: "a file would be larger than it may be here",
}
for command, example in COMMANDS.items():
    app.command(
        example.split()[1],
        cls=WithRay if command in (search, payoff) else None,
        short_help=summary(command),
        epilog=f"\b\nExample:\n  {example}",
    )(command)


@app.callback()
def nas(version: Version = False) -> None:
    """Search network architectures and measure where residual connections pay off.

    A search space is a YAML file. `nas search` runs its study, `nas report` says what was found,
    `nas export` writes the best network. Start with: nas search digits
    """


def main() -> None:
    """Run the command line; faults the user can mend are sentences and exit status 2."""
    open_closed_streams()
    try:
        app()
    except (KeyboardInterrupt, SystemExit) as end:
        if not is_interruption(end):
            raise
        typer.echo("Interrupted.", err=True)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except UserError as error:
        typer.echo(printable(f"nas: {error}"), err=True)
        raise SystemExit(MENDABLE) from None
    except OSError as error:
        if error.filename is None and error.errno not in LIMITS:
            raise
        what = error.filename or LIMITS[error.errno or 0]
        typer.echo(printable(f"nas: {what}: {error.strerror}."), err=True)
        raise SystemExit(MENDABLE) from None


def is_interruption(end: BaseException | None) -> bool:
    """Whether a command ended as Ctrl-C came, of which typer tells nothing."""
    while end and not isinstance(end, KeyboardInterrupt):
        end = end.__cause__ or end.__context__
    return end is not None

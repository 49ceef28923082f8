"""What every command has in common: how it is called and how it ends."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import cyclopts

from mutua.cli.compute import demo, mi
from mutua.cli.export import export
from mutua.cli.stores import info, report, schema, vacuum, validate
from mutua.errors import MutuaError

__all__ = ["app", "main", "run"]

_FAILED, _MISUSED, _INTERRUPTED, _PIPE_CLOSED = 1, 2, 130, 141

app = cyclopts.App(
    name="mutua",
    help="Which positions of sequences depend on each other, and the stores that hold results.",
    version=lambda: importlib.metadata.version("mutua"),
    default_parameter=cyclopts.Parameter(negative=(), show_default=lambda value: value or None),
    help_epilogue="Exit status: 0, 1 for bad data, 2 for bad usage, 130 if interrupted.",
    suppress_keyboard_interrupt=False,
)
for command in (mi, info, validate, vacuum, export, report, schema, demo):
    app.command(command)
app.register_install_completion_command(
    help="Make the shell (bash, zsh or fish) complete commands and options."
)


def main() -> None:
    """Run the command line and end the process."""
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments
        What follows ``mutua``; by default what the process was called with.

    Returns
    -------
    int
        The exit status: 0; 1 for bad data, with the reason on the standard error; 2 for bad
        usage; 130 when interrupted; 141 when nobody reads the standard output any more.
    """
    try:
        with _plain_warnings():
            app(
                sys.argv[1:] if arguments is None else list(arguments),
                exit_on_error=False,
                result_action="return_none",
            )
        sys.stdout.flush()
    except cyclopts.CycloptsError:  # which cyclopts has told
        return _MISUSED
    except KeyboardInterrupt:
        print("mutua: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Else Python would try to flush once more when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except (MutuaError, OSError) as error:
        print(f"mutua: {error}", file=sys.stderr)
        return _FAILED
    return 0


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings as messages, without the line of code that they come from."""

    def show(message: Any, category: type[Warning], *where: Any, **options: Any) -> None:
        if issubclass(category, UserWarning):
            print(f"mutua: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield

"""`cheers-bench`: the group of commands, and how errors leave the program."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version

import click

from harness.errors import BenchError

__all__ = ["cli", "main"]

_COMMANDS = {
    "list": "harness.cli.list_command",
    "run": "harness.cli.run_command",
    "score": "harness.cli.score_command",
    "import": "harness.cli.import_command",
    "leaderboard": "harness.cli.leaderboard_command",
    "compare": "harness.cli.compare_command",
    "baseline": "harness.cli.baseline_command",
    "gate": "harness.cli.gate_command",
    "explain": "harness.cli.explain_command",
    "report": "harness.cli.report_command",
    "plot": "harness.cli.plot_command",
    "sweep": "harness.cli.sweep_command",
    "noise": "harness.cli.noise_command",
    "history": "harness.cli.history_command",
    "parity": "harness.cli.parity_command",
    "judge-agreement": "harness.cli.agreement_command",
    "reproduce": "harness.cli.reproduce_command",
    "versus": "harness.cli.versus_command",
    "show": "harness.cli.show_command",
    "export": "harness.cli.export_command",
    "data": "harness.cli.data_command",
    "check-adapter": "harness.cli.check_command",
    "doctor": "harness.cli.doctor_command",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they're used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order of a user's work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in _COMMANDS:
            from harness.names import suggest

            hint = suggest(cmd_name, _COMMANDS) or "see --help"
            raise click.UsageError(f"no command {cmd_name!r}; {hint}", ctx)
        command: click.Command = import_module(_COMMANDS[cmd_name]).command
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version=version("cheers-bench"), prog_name="cheers-bench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, *, debug: bool) -> None:
    """Evaluate unified multimodal models: scores with protocols, intervals and verdicts."""
    ctx.obj = debug


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a `BenchError` becomes a message with its remedy.

    Args:
        arguments: Command line without the program's name; `None` takes `sys.argv`.

    Raises:
        SystemExit: Always: 0 on success, 2 for a wrong command line or run file, 130 after Ctrl-C,
            1 for anything else.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        cli.main(arguments, prog_name="cheers-bench", standalone_mode=False)
    except BenchError as error:
        if "--debug" in arguments:
            raise
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    sys.exit(0)

"""The `keyshift` command: its groups, and the one place where errors become text and exit codes.

Exit codes: 0 done; 1 done, and something was found (a difference, an unmet check, a problem); 2 refused, by us or by a
service, with the reason; 75 a service could not be reached, and the same command may do later; 130 interrupted.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from keymap.errors import KeyshiftError
from keyshift import native
from keyshift.cli.errors import EXIT_INTERRUPTED, SERVICE_ERRORS, exit_code, show, told
from keyshift.cli.wiring import CONFIG, Wiring
from keyshift.process.crash import tell_textless
from keyshift.process.stop import Stopped

# In the order in which a migration needs them, with the module under keyshift.cli; "": it has the command's name.
COMMANDS: Final = {
    **dict.fromkeys(("init", "doctor", "status", "keymap", "cdc", "bulkload", "apply", "verify", "cutover"), ""),
    "deploy": "",
    "tables": "adopt",
    "destroy": "",
    "demo": "demo.command",
}


class Lazy(click.Group):
    """A group that imports the one command that is asked for: all of them take most of a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands' names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name, if there is one."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"keyshift.cli.{COMMANDS[cmd_name] or cmd_name}"), cmd_name)
        return found


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=CONFIG,
    show_default=True,
    envvar="KEYSHIFT_CONFIG",
    show_envvar=True,
    help="The migration's settings file.",
)
@click.version_option(package_name="keyshift", message=f"%(prog)s %(version)s. {native.summary()}")
@click.pass_context
def cli(context: click.Context, config: Path) -> None:
    """Move a live MySQL database to Amazon DynamoDB with redesigned keys, and prove that nothing was lost.

    The order of a migration: init, cdc run (goes on), bulkload run, apply run (or the Lambda function; goes on),
    verify, stop the application's writes, cutover run, cutover sweep, switch the application, destroy.
    """
    context.obj = wiring = Wiring(config)
    context.call_on_close(wiring.close)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, with whatever went wrong printed to standard error."""
    try:
        code = cli.main(args=arguments, prog_name="keyshift", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt, Stopped) as error:
        declined = isinstance(error, click.Abort) and error.__cause__ is None  # click makes one of Ctrl-C too
        told_as = "nothing was done" if declined else "interrupted; the same command goes on where this one ended"
        click.echo(told_as, err=True)
        return EXIT_INTERRUPTED
    except (KeyshiftError, *SERVICE_ERRORS) as error:
        show(told(error))
        return exit_code(error)
    return code if isinstance(code, int) else 0


def main() -> None:
    """The entry point of the `keyshift` script."""
    tell_textless()
    sys.exit(run())


if __name__ == "__main__":
    main()

"""`keyshift deploy`: what runs in AWS, as text and files that AWS's own tools deploy."""

import shlex
import shutil
from pathlib import Path
from typing import get_args

import click

from bulkload.spark.environment import keymap_file
from keymap.errors import KeyshiftError
from keymap.rules import load_keymap
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.deploy.archive import build
from keyshift.deploy.function import PYTHON
from keyshift.deploy.template import template_text
from keyshift.deploy.wheels import Architecture, Platform


@click.group()
def deploy() -> None:
    """Make what runs in AWS."""


@deploy.command()
@pass_wiring
def template(wiring: Wiring) -> None:
    """Print the migration's CloudFormation template: stream, tables, function, roles, alarms, dashboard.

    `aws cloudformation deploy --template-file FILE --stack-name NAME --capabilities CAPABILITY_IAM
    --parameter-overrides CodeBucket=BUCKET CodeKey=KEY` makes all of it, where `keyshift deploy zip` has built the
    function's archive and it lies in that bucket. This calls no service, and reads nothing but settings and keymap.
    """
    click.echo(template_text(wiring.settings, wiring.keymap), nl=False)


@deploy.command("zip")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="The archive's file.  [default: keyshift-apply-ARCHITECTURE.zip]",
)
@click.option("--architecture", type=click.Choice(get_args(Architecture)), default="arm64", show_default=True)
@click.option("--python", default=PYTHON, show_default=True, help="The version of the function's runtime.")
@click.option(
    "--hooks",
    type=click.Path(path_type=Path),
    multiple=True,
    help="What hooks import and is not beside the keymap: a module, a package, or a folder of them; repeatable.",
)
@click.option(
    "--try-with",
    "command",
    default="",
    help="What runs a Python of that version and architecture, to try the archive with, where this machine has none: "
    "an emulator, such as `qemu-aarch64 -L ROOT ROOT/usr/bin/python3.13`.",
)
@click.option("--keymap", "given", type=click.Path(path_type=Path), help="The keymap, instead of that of the settings.")
@pass_wiring
def archive(  # noqa: PLR0913, PLR0917 - one for each option
    wiring: Wiring,
    output: Path | None,
    architecture: Architecture,
    python: str,
    hooks: tuple[Path, ...],
    command: str,
    given: Path | None,
) -> None:
    """Build the function's archive: handler, libraries, and the modules with the keymap's hooks.

    It wants a checkout of Keyshift, and uv. The same every time it is built of the same. It is tried where it is for
    this machine's architecture and a Python of the version is here, or by what --try-with names. The keymap is not in
    it: the function reads it from the control table.
    """
    file = given or keymap_file(wiring.settings.keymap)
    keymap = load_keymap(file) if given else wiring.keymap
    output = output or Path(f"keyshift-apply-{architecture}.zip")
    built = build(keymap, file, Platform(architecture, python, _words(command)), hooks, output)
    click.echo(
        f"{output}: {built.bytes:,} bytes, {built.unpacked_bytes:,} unpacked, for Python {python} on {architecture}"
    )
    click.echo(f"sha256 {built.sha256}, keymap {keymap.digest}")
    for told in (built.left_out, "Lambda takes it from a bucket only" if built.is_large else ""):
        if told:
            click.echo(f"note: {told}")


def _words(command: str) -> tuple[str, ...]:
    """Those of the command, with the program's path. Raises KeyshiftError where there is no such program."""
    words = shlex.split(command)
    if not words:
        return ()
    program = shutil.which(words[0])
    if program is None:
        raise KeyshiftError(f"there is no program {words[0]}, which --try-with names", "Install it, or name its path")
    return program, *words[1:]

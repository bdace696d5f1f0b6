"""`keyshift bulkload pack`: what a Spark cluster needs of Keyshift, as files for spark-submit."""

import shutil
from pathlib import Path

import click

from bulkload.spark.pack import pack as write_archive
from keyshift.cli import spark_load
from keyshift.cli.wiring import Wiring, pass_wiring

SCRIPT = "keyshift-load.py"


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    default="keyshift-env.tar.gz",
    show_default=True,
    help="The archive; the script for spark-submit is written beside it.",
)
@pass_wiring
def pack(wiring: Wiring, output: Path) -> None:
    """Pack Python, Keyshift, the keymap and the modules beside it into one archive for `spark.archives`.

    Run it on a host like the cluster's: same architecture, and a C library that is not newer. Settings are not packed.
    """
    libraries = write_archive(wiring.settings.keymap, wiring.keymap.digest, output)
    script = output.with_name(SCRIPT)
    shutil.copyfile(spark_load.__file__, script)
    click.echo(f"{output}: {output.stat().st_size:,} bytes, keymap {wiring.keymap.digest[:12]}; start it by {script}")
    click.echo(f"the cluster's machines must have: {' '.join(libraries)}")

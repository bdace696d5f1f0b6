"""Dump or load in a process of its own, which tests stop and kill: ``python -m tests.bulkload.child load SETTINGS``."""

import sys

from bulkload.dump.run import dump
from bulkload.imports.run import load as run_import
from bulkload.load.run import load
from keymap.errors import KeyshiftError
from keymap.rules import load_keymap
from keyshift.aws.clients import make_clients
from keyshift.process.settings import load_settings
from keyshift.process.stop import Stop


def main(work: str, path: str) -> None:
    settings = load_settings(path)
    stop = Stop()
    stop.install()
    clients = make_clients(settings.aws.region, settings.aws.endpoints.urls)
    job = {"dump": dump, "load": load if settings.bulkload.engine == "local" else run_import}[work]
    try:
        report = job(settings, load_keymap(settings.keymap), clients, stop)
    except KeyshiftError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{report}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

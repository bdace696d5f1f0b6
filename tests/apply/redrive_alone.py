"""A redrive as a process of its own, for tests that stop it: `python -m tests.apply.redrive_alone settings.yaml`."""

import sys

from keymap.rules import load_keymap
from keyshift.apply import redrive
from keyshift.aws.clients import make_clients
from keyshift.control.setasides import read_open
from keyshift.control.store import Store
from keyshift.process import log
from keyshift.process.settings import load_settings
from keyshift.process.stop import Stop

LEASE_SECONDS = 1.0


def main() -> None:
    redrive.LEASE_SECONDS = LEASE_SECONDS  # type: ignore[misc]
    settings = load_settings(sys.argv[1])
    log.configure(json=True, migration=settings.migration)
    clients = make_clients(settings.aws.region, settings.aws.endpoints.urls)
    found = read_open(Store(clients.control, settings.control_table, settings.migration))
    with redrive.redriving(settings, load_keymap(settings.keymap), clients, Stop()) as redriver:
        for one in redriver.run(found):
            sys.stdout.write(f"{one.state}\n")


if __name__ == "__main__":
    main()

"""The consumer as a process of its own, for tests that kill it: `python -m tests.apply.consume settings.yaml 10.0`.

The number is the seconds of its lease.
"""

import sys

from keymap.rules import load_keymap
from keyshift.apply import consumer
from keyshift.aws.clients import make_clients
from keyshift.process import log
from keyshift.process.settings import load_settings
from keyshift.process.stop import Stop


def main() -> None:
    settings = load_settings(sys.argv[1])
    log.configure(json=True, migration=settings.migration)
    stop = Stop()
    stop.install()
    clients = make_clients(settings.aws.region, settings.aws.endpoints.urls)
    consumer.LEASE_SECONDS = float(sys.argv[2])  # type: ignore[misc]
    consumer.run(settings, load_keymap(settings.keymap), clients, stop)


if __name__ == "__main__":
    main()

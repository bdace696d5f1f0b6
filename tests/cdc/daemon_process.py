"""`keyshift cdc run` without the command line: a process that a test can kill. Its argument is the settings file."""

import sys

from cdc.daemon import run
from keymap.rules import load_keymap
from keyshift.aws.clients import make_clients
from keyshift.process import log
from keyshift.process.settings import load_settings
from keyshift.process.stop import Stop

if __name__ == "__main__":
    settings = load_settings(sys.argv[1])
    log.configure(json=True, migration=settings.migration)
    stop = Stop()
    stop.install()
    run(settings, load_keymap(settings.keymap), make_clients(settings.aws.region, settings.aws.endpoints.urls), stop)

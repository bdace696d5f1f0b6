"""What spark-submit starts: `keyshift bulkload load` with engine `spark`, with the arguments that stand before those.

`keyshift bulkload pack` puts a copy of this file beside the environment that it packs, where all else of it is.
"""

import os
import sys

from keyshift.cli.main import run
from keyshift.process.crash import tell_textless

if __name__ == "__main__":
    os.environ.setdefault("KEYSHIFT_BULKLOAD__ENGINE", "spark")
    tell_textless()
    sys.exit(run([*sys.argv[1:], "bulkload", "load"]))

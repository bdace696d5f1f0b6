"""Servers for the tests alone: more faithful ones than the demo brings along, and proxies that make them fail."""

import os
from pathlib import Path

# Installed once and kept: what lies here can be deleted at any time.
CACHE = Path(os.environ.get("KEYSHIFT_SERVERS_DIR") or Path(__file__).parents[2] / ".cache" / "servers")

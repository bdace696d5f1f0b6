"""Archives of the function, as the command builds them."""

import os
import platform
import subprocess
import sys
from pathlib import Path

from keyshift.deploy.tried import architecture
from keyshift.deploy.wheels import Architecture

HERE = architecture(platform.machine())
OTHER: Architecture = "arm64" if HERE == "x86_64" else "x86_64"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
KEYMAP = """\
keyshift: 1
targets:
  items:
    partition_key: {pk: S}
    sort_key: {tag: S}
tables:
  shop.product:
    - target: items
      hook: {call: "shop_hooks:tags", columns: [tag]}
      key: {pk: "PRODUCT#{id}", tag: "{tag}"}
"""
HOOK = """\
from beside_it import split
import helper


def tags(row):
    return [{**row, "tag": helper.lower(tag)} for tag in split(row["tags"])]
"""


def project(folder: Path) -> Path:
    """A folder with a keymap, whose hook imports a module beside it, and one in the folder `more`."""
    (folder / "more").mkdir(parents=True, exist_ok=True)
    for name, text in {
        "keymap.yaml": KEYMAP,
        "shop_hooks.py": HOOK,
        "beside_it.py": "def split(text):\n    return text.split()\n",
        "more/helper.py": "def lower(text):\n    return text.lower()\n",
    }.items():
        (folder / name).write_text(text)
    return folder


def zipped(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Build the project's archive as the file `name` in it."""
    argv = [str(Path(sys.executable).parent / "keyshift"), "deploy", "zip", "--keymap", "keymap.yaml", "--output", name]
    environment = {**os.environ, "PYTHONPATH": "more"}
    return subprocess.run([*argv, *options], cwd=folder, env=environment, capture_output=True, text=True, check=False)

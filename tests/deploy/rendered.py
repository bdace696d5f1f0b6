"""The template of the example, as maps and lists."""

import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from keymap.rules import Keymap, load_keymap
from keyshift.deploy.template import template
from keyshift.process.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "lambda" / "template.yaml"


@cache
def example() -> tuple[Settings, Keymap]:
    """Settings and keymap that lambda/template.yaml is rendered from."""
    with patch.dict(os.environ, {"SHOP_PASSWORD": "x"}):
        settings = load_settings(ROOT / "lambda" / "example.yaml")
    return settings, load_keymap(settings.keymap)


def rendered(**changes: Any) -> dict[str, Any]:
    """The template, with other settings by section or name."""
    settings, keymap = example()
    return template(settings.model_copy(update=changes), keymap)


def of_type(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """The properties of all resources of a type, by logical name."""
    return {name: one["Properties"] for name, one in found["Resources"].items() if one["Type"] == kind}

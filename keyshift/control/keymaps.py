"""The keymaps that a migration has had: kept, so that what a former one wrote can be found and told from the rest.

They stand in the control table by their digest, packed, since one may be large.
"""

import base64
import zlib
from pathlib import Path

from keymap.changes import Former, kept
from keymap.errors import KeyshiftError
from keymap.rules import Keymap, parse_keymap
from keymap.wire import dumps, loads
from keyshift.control.store import Conflict, Store

_PREFIX = "keymap#"


def record_keymap(store: Store, keymap: Keymap) -> None:
    """Keep a keymap. Safe to repeat."""
    item = _PREFIX + keymap.digest
    if store.get(item) is not None:
        return
    former = kept(keymap)
    text = dumps({"text": former.text, "hooks": dict(former.hooks)})
    try:
        store.swap(item, None, {"packed": base64.b64encode(zlib.compress(text, 9)).decode()})
    except Conflict:
        return  # another process kept the same


def read_keymap(store: Store, digest: str) -> Former | None:
    """The keymap of this digest, None where it was not kept."""
    record = store.get(_PREFIX + digest)
    if record is None:
        return None
    fields = loads(zlib.decompress(base64.b64decode(record.text("packed"))))
    return Former(fields["text"], fields["hooks"])


def kept_keymap(store: Store, digest: str, folder: Path) -> Keymap:
    """The keymap of this digest, with the hooks of the modules in `folder`, or installed, which must be the same.

    Raises KeyshiftError where it was not kept, or the modules are others, and Problems where there are none.
    """
    former = read_keymap(store, digest)
    if former is None:
        message = f"the control table does not have keymap {digest} of migration {store.name}"
        raise KeyshiftError(message, "Run `keyshift init` once more with that keymap, which keeps it")
    keymap = parse_keymap(former.text, f"keymap {digest}", folder)
    if keymap.digest != digest:
        hooks = kept(keymap).hooks
        others = sorted(name for name, text in former.hooks.items() if hooks.get(name) != text)
        raise KeyshiftError(
            f"migration {store.name} has keymap {digest}, and of its hooks other modules are here: {', '.join(others)}",
            "Deploy the modules of that keymap (`keyshift deploy zip`); a changed one is adopted with "
            "`keyshift keymap adopt`",
        )
    return keymap

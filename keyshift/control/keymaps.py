"""The keymaps that a migration has had: kept, so that what a former one wrote can be found and told from the rest.

They stand in the control table by their digest, packed, since one may be large.
"""

import base64
import zlib

from keymap.changes import Former, kept
from keymap.rules import Keymap
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

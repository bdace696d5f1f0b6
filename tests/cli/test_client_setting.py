"""`aws.client` is heeded wherever items are written: by each command, and by the load, which has its own clients."""

from pathlib import Path

import pytest

from bulkload.load.chunk import writing_clients
from keyshift.aws.clients import Kind
from keyshift.aws.lean.client import LeanClient
from keyshift.cli.wiring import Wiring
from tests.servers.aws import isolate

pytestmark = pytest.mark.any_pair

SETTINGS = """\
migration: shop
keymap: keymap.yaml
source: {host: 127.0.0.1, user: me, password: secret}
bucket: {name: dumps}
"""


@pytest.mark.parametrize(("text", "kind"), [("", "lean"), ("aws: {client: boto3}\n", "boto3")])
def test_the_setting_chooses_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: Kind) -> None:
    isolate(monkeypatch)
    config = tmp_path / "keyshift.yaml"
    config.write_text(SETTINGS + text)
    wiring = Wiring(config)
    writing = writing_clients(wiring.settings)
    for clients in (wiring.clients, writing):
        assert isinstance(clients.dynamodb, LeanClient) is isinstance(clients.kinesis, LeanClient) is (kind == "lean")
        clients.close()

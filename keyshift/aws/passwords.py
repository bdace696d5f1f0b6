"""The source's password from AWS: a secret, a parameter, or a token of RDS. Asked for at each connect, kept nowhere."""

import json
import re
from typing import Final

from keymap.errors import KeyshiftError
from keyshift.aws.clients import BotoCoreError, ClientError, Clients, explain, is_throttle, is_transient
from keyshift.process.source import PasswordUnavailable, SourceSettings

# A token is good for the region of the server, which stands in its name: db.x.eu-central-1.rds.amazonaws.com[.cn]
_REGION: Final = re.compile(r"\.([a-z]{2}(?:-[a-z0-9]+)+)\.rds\.amazonaws\.com", re.IGNORECASE)


def fetch_password(clients: Clients, source: SourceSettings) -> str:
    """What to log in to the source with, now. Its errors show where the password should be, and never what is there.

    Raises PasswordUnavailable where a later try may succeed, KeyshiftError where only a person can help.
    """
    place = f"secret {source.password_secret}" if source.password_secret else f"parameter {source.password_parameter}"
    doing = "signing a token for the source" if source.auth == "iam" else f"reading {place}"
    try:
        if source.auth == "iam":
            return _token(clients, source)
        if source.password_secret is not None:
            return _secret(clients, source.password_secret)
        answer = clients.ssm.get_parameter(Name=source.password_parameter or "", WithDecryption=True)
        return answer["Parameter"]["Value"]
    except (ClientError, BotoCoreError) as error:
        explained = explain(error, doing)
        if is_throttle(error) or is_transient(error):
            raise PasswordUnavailable(explained.message, explained.remedy) from error
        raise KeyshiftError(explained.message, explained.remedy or _REMEDY) from error


_REMEDY: Final = "Correct the name below source, and let this host's identity read it (docs/permissions.md)"


def _token(clients: Clients, source: SourceSettings) -> str:
    named = _REGION.search(source.host)
    return clients.rds.generate_db_auth_token(
        DBHostname=source.host,
        Port=source.port,
        DBUsername=source.user,
        Region=named[1].lower() if named else clients.region,
    )


def _secret(clients: Clients, name: str) -> str:
    name, _, key = name.partition("#")
    text = clients.secretsmanager.get_secret_value(SecretId=name).get("SecretString")
    if text is None:
        raise KeyshiftError(f"secret {name} holds bytes, not text", "Store the password as text")
    document = _json_object(text)
    if key and (document is None or key not in document):
        known = ", ".join(sorted(document or ())) or "none: it is not a JSON object"
        raise KeyshiftError(f"secret {name} has no key {key}", f"Correct source.password_secret; its keys are {known}")
    if document is not None and not key:
        keys = ", ".join(sorted(document))
        raise KeyshiftError(
            f"secret {name} is a JSON object ({keys})", f"Say which key: source.password_secret: {name}#KEY"
        )
    return str(document[key]) if document is not None else text


def _json_object(text: str) -> dict[str, object] | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None

"""The lean client: the few calls that make up a migration's traffic, without what boto3 does around each of them.

boto3's clients decide where a request goes and by whom it is signed; here it is only written, signed and sent
(docs/decisions/0024).
"""

"""Meaning: what a source row becomes in DynamoDB, and in which order changes count.

Everything here is pure: no sockets, no clock, no log. The daemon, the bulk load, the Lambda and verify all import this
one package, so a row means the same thing in each of them.
"""

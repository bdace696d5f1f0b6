"""A migration's changes on their way through Kinesis and Lambda, with all that may happen to them, in memory.

The daemon's outbox, the function's handler, the applier, the writer and the control table's rules are the real ones.
What is made up is AWS: a stream whose shards split and merge, Lambda's event source mapping (source.py), an endpoint
that throttles and loses answers (endpoint.py), and invocations that overlap call by call (schedule.py, functions.py).
All chance is drawn from one seed: a history that went wrong goes wrong again.

What the function is made of stands in one place, `World.container`.
"""

"""A migration's changes on their way through Kinesis and Lambda, with all that may happen to them, in memory.

The daemon's outbox, the function's handler, the applier, the writer and the control table's rules are the real ones,
and so are setting aside, redriving, tidying and closing the gate. What is made up is AWS: a stream whose shards split
and merge, Lambda's event source mapping (source.py), services that throttle and lose answers (endpoint.py,
services.py), and processes that overlap call by call, sleep and die (schedule.py, functions.py, operators.py), while
time passes (passing.py). Some changes cannot be applied until their cause is mended (causes.py). What must hold, when
and in the end, stands in proof.py. All chance is drawn from one seed: a history that went wrong goes wrong again.

What the function is made of stands in one place, `World.container`.
"""

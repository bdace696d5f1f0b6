"""The front door: the `keyshift` command. Nobody imports it."""

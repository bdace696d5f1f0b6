"""The end of a migration: prove that both sides are equal, decide whether to switch, close replay, sweep tombstones."""

"""The tests of Keyshift: real servers for behaviour, pure functions for rules."""

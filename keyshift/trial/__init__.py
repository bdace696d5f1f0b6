"""Tries a keymap on real rows, before anything moves."""

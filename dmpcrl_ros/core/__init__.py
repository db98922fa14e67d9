"""Protocols without I/O, and what every method and system shares."""

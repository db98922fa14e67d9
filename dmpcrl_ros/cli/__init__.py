"""The command `dmpcrl`."""

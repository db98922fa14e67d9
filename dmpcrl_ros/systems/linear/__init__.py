"""Networks of linear systems."""

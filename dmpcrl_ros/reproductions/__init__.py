"""The experiments of the papers: their runs, figures and tables."""

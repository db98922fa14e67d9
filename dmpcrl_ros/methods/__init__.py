"""Methods by which agents act and learn: a folder for each."""

"""How agents act and learn: a folder for each method."""

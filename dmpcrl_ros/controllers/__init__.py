"""What an agent does in one control step."""

"""What is controlled: descriptions, problems and plants."""

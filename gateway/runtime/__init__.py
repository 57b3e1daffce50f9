"""What is in force: the config compiled, what outlives it, and the one door for change."""

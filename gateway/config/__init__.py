"""The file: what an admin may write, read into frozen values. Knows no clock and no network."""

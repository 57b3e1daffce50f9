"""The telling: a finished record becomes numbers and one log line."""

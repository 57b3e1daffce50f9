"""Decisions. Pure: facts, time and chance come in, verdicts go out."""

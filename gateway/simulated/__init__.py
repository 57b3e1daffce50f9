"""The simulated model: a vendor inside the house, for first steps, rehearsals, tests and demos."""

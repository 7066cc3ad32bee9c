"""Random sequences of what can happen to a unit: held against requirements, and shrunk."""

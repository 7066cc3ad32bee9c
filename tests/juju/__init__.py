"""What of Juju a charm can see, on a machine that has none: `charm build`, and a unit."""

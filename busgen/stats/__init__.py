"""Statistics: intervals, tests, curves; pure numerics."""

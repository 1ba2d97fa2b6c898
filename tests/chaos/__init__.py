"""Failures with real processes: several live nodes, a Redis and a Postgres that are killed, paused, filled and cut off
while people type. `python -m tests.chaos --seconds 60 --seed 1` is a long run, `test_*.py` has a test per failure."""

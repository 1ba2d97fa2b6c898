"""HTTP as all services speak it: operations declared as values, bound, checked and documented in one place."""

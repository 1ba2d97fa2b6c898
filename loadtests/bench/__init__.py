"""The benchmark: the same load on Dojo and on other servers, and what each makes of it."""

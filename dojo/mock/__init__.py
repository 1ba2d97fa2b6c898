"""`dojo mock`: the API and the live socket with fixed data and chosen failures, for the tests of apps."""

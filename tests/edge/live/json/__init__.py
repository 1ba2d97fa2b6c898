"""Clients without a document."""

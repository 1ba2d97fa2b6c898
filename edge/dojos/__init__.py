"""Dojos: hosted sessions with rooms, roles, turns and chat, and what is left of them to look back on."""

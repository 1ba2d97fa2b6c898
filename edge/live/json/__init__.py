"""Code for clients without a document of their own: whole texts and plain edits, over versions."""

"""Going back in a room: what its files said at any time, and who typed what when, from the journal."""

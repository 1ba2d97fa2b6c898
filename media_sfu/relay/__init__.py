"""A room on several voice processes: each sends the others its own loudest speakers, and hears theirs."""

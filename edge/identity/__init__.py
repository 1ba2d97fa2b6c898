"""Who people are: accounts, sessions, passwords, mail, invitations and outside identity providers."""

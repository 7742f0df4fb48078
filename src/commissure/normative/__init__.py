"""Where a person stands among healthy people of their age, sex and site."""

"""Programs that run in a container: the command of a person, and what is checked before it."""

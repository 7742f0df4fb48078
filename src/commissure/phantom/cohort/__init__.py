"""Who is simulated: people, their planted effects, treatments and tables."""

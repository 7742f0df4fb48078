"""A cluster: what a lab says of it, and what is looked at before the first job is submitted."""

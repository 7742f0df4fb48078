"""From shots and coils to one corrected spectrum."""

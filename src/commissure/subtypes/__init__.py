"""Groups among people that are there or not: found, put to the test, and assigned elsewhere."""

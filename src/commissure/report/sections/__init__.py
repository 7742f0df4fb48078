"""One module for each section of the page, named as its template and its anchor."""

"""Bad input: everything that labs' disks hold by mistake, and what becomes of it.

``__main__`` runs the cases and prints the table. Every other module that has a function ``cases``
is an area. :mod:`.harness` says what a case is; :mod:`.mutations` damages files at random.
"""

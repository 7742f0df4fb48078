"""Results of other tools that join the marker table: one module for each tool.

A tool's module says which files of its output folder it reads, what its markers mean, and how the
files become rows. ``registry`` names the tools; ``read`` reads one folder.
"""

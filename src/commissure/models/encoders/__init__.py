"""Representations of markers and maps, learnt by contrast with age as a weak teacher."""

"""The simulated head: anatomy, deformation and fibres."""

"""Pure builders of the desired child objects. Never any I/O."""

"""Pure decisions: what is seen goes in, what is to be done comes out. Never any I/O."""

"""What the healer can do, one module per action. Decides nothing: it plans, refuses and calls."""

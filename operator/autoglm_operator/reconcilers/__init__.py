"""Level-triggered loops of the form observe, decide, act, report. One module per kind."""

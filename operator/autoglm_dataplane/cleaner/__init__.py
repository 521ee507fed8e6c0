"""The cleaner: removes rubbish from the disk of the node that its Job was sent to."""

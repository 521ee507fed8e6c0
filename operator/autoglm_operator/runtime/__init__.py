"""Clock, settings, logs, metrics, queue and store. Knows no Kubernetes kind by name."""

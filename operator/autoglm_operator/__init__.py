"""The control plane: operator, receiver and healer. Never imported by the data plane."""

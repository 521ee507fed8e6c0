"""What every process of the data plane has: settings, log lines, probes, metrics and a server.

It never knows what a process is for.
"""

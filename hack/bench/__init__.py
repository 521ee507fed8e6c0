"""Benches: programs that measure and print; what must hold whatever the machine is a test."""

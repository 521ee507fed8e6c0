"""The router beside what a user could pick instead, in one run on one machine."""

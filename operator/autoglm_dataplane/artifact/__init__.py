"""Checks that a model's files are the ones that their endpoint names, before a server loads them.

Runs once in front of a model server. Never changes a file and never talks to the network.
"""

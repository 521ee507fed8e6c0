"""Runs the test tiers in order and adds up what they say.

It never decides whether a test passes: pytest does, and this package only starts it, times it and
reads its report.
"""

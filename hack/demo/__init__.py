"""The demo: the main job of the project, end to end on a test cluster, checked at every step.

Its steps are plain functions that return what they measured and raise `StepError`; `make demo`
prints them, the e2e tests of first light run the same functions. It never weakens a check to get
through.
"""

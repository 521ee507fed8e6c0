"""The planner: takes requests, divides them into subtasks, awards those and answers.

Any planner can take over the runs of any other: all it knows about a run is in the run's journal.
"""

"""The executor: carries out the subtasks that planners award to it.

It never decides what a run needs; it takes a task, asks a model, stores the result.
"""

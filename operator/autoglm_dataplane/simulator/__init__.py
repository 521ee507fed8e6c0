"""A model double with the OpenAI API: seeded answers, and faults on request.

Demo, tests and benches run on it, so that they need no model weights. It never reasons: what it
says follows from its seed and the question.
"""

"""Where built things live and how they get there: the one cache of programs and images.

A thing is built into a folder of its own, named by a key of everything it was built from, and
appears there whole or not at all. Nothing here knows what is built or how.
"""

"""`recorded`: a folder of images, or another run, in a model's place.

Everything else is as with a model: the task, its verdicts, intervals, resume and tables. Nothing
is drawn; an image that is missing or can't be trusted is a verdict of its own with its file's name.
"""

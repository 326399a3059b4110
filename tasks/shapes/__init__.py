"""The embedded suite: a procedural world of coloured shapes, its detector and its tasks.

Importing this package imports neither numpy nor torch; `tasks.shapes.world` draws scenes and
`tasks.shapes.detector` finds shapes in any 64x64 image.
"""

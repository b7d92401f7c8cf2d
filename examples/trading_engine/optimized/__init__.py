"""The same engine with each of its parts made light, one flag a part.

The decisions are those of the naive engine, byte for byte.
"""

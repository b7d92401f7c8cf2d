"""A small asyncio trading engine: the service that m5 is measured on.

It is ordinary code on purpose. The `naive` mode does what the pandas
documentation suggests, keeps all its state bounded, and takes orders that
depend on nothing but the ticks, so that another mode can be compared with it
byte for byte.
"""

__version__ = "1.0.0"

"""How trading bots decide: strategies, risk, protections, fills and metrics. Pure, in integers.

Prices are quote units (10⁻⁸) per whole base, amounts are base units, money is quote units, ratios
are parts per million ("ppm"), times are microseconds of the application clock.
"""

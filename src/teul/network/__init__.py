"""Networks: addresses, published ports, and netavark, which makes them real.

`ports` and `addresses` are pure; `netavark` talks to the program; `holders` says who has a port.
"""

"""The styles every installation has: JPEGs, and the code that renders them."""

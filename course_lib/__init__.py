"""Group-equivariant layers, and the course that builds them."""

"""Map by a basis: transforms and random projections."""

__all__: list[str] = []

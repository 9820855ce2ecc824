"""Map by a basis: transforms and random projections."""

from .hadamard import (
    fastfood_project,
    fastfood_project_vjp,
    walsh_hadamard_transform,
    walsh_hadamard_transform_vjp,
)

__all__ = [
    "fastfood_project",
    "fastfood_project_vjp",
    "walsh_hadamard_transform",
    "walsh_hadamard_transform_vjp",
]

"""Map by a basis or to the nearest point of a set: transforms, random projections, constraints."""

from .constraint import (
    project_box_simplex,
    project_l0_ball,
    project_l2_ball,
    project_l2_ball_vjp,
    project_simplex,
    project_simplex_vjp,
)
from .etf import mutual_coherence, simplex_etf, sparse_etf_energy
from .hadamard import (
    fastfood_project,
    fastfood_project_vjp,
    walsh_hadamard_transform,
    walsh_hadamard_transform_vjp,
)
from .lora import lora_linear, lora_linear_vjp
from .proximal import soft_threshold
from .subspace import subspace_direction_loss, subspace_distance_loss, subspace_project, subspace_remove

__all__ = [
    "fastfood_project",
    "fastfood_project_vjp",
    "lora_linear",
    "lora_linear_vjp",
    "mutual_coherence",
    "project_box_simplex",
    "project_l0_ball",
    "project_l2_ball",
    "project_l2_ball_vjp",
    "project_simplex",
    "project_simplex_vjp",
    "simplex_etf",
    "soft_threshold",
    "sparse_etf_energy",
    "subspace_direction_loss",
    "subspace_distance_loss",
    "subspace_project",
    "subspace_remove",
    "walsh_hadamard_transform",
    "walsh_hadamard_transform_vjp",
]

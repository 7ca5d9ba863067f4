"""The Hessian of a loss, known by what it does to vectors."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

#: products with the Hessian in one search for its extreme eigenvalue
LANCZOS_STEPS = 20


def hessian_product(loss: Tensor, parameters: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """v -> H v for the Hessian of the loss, by a second backward pass (Pearlmutter 1994)."""
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    flat = torch.cat([gradient.flatten() for gradient in gradients])

    def product(vector: Tensor) -> Tensor:
        vector = vector.to(flat.device, flat.dtype)
        parts = torch.autograd.grad(
            flat, parameters, vector, retain_graph=True, materialize_grads=True
        )
        return torch.cat([part.flatten() for part in parts]).cpu().double()

    return product


def extreme_eigenvalue(
    product: Callable[[Tensor], Tensor], start: Tensor, steps: int = LANCZOS_STEPS
) -> float:
    """The eigenvalue of largest magnitude, with its sign, of the symmetric map `product`.

    Lanczos 1950: orthogonalising start, A start, A^2 start, ... leaves a tridiagonal matrix whose
    extreme eigenvalues approach those of A at both ends at once, where power iteration sees only
    one. Full reorthogonalisation is not needed for extreme eigenvalues (Paige 1980).
    """
    diagonal: list[float] = []
    beside: list[float] = []
    previous, vector = torch.zeros_like(start), start / start.norm()
    for _ in range(min(steps, len(start))):
        image = product(vector) - (beside[-1] if beside else 0.0) * previous
        diagonal.append(torch.dot(image, vector).item())
        image -= diagonal[-1] * vector
        beside.append(image.norm().item())
        if not math.isfinite(beside[-1]):
            return math.nan
        if beside[-1] <= 1e-7 * max(map(abs, diagonal + beside)):
            break
        previous, vector = vector, image / beside[-1]
    return max(tridiagonal_eigenvalues(diagonal, beside[:-1]), key=abs)


def tridiagonal_eigenvalues(diagonal: list[float], beside: list[float]) -> list[float]:
    """Of the symmetric matrix with these entries on and beside its diagonal."""
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    for k, entry in enumerate(beside):
        matrix[k, k + 1] = matrix[k + 1, k] = entry
    return torch.linalg.eigvalsh(matrix).tolist()

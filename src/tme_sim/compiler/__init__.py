"""From a network of laws to generated numba source: right-hand side, exact sparse Jacobian, baseline, observables."""

"""Known mistakes and framework conventions of the operators; read by the checker and the tests only."""

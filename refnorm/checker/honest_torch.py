"""torch's own functions, called as the operators are; read only where torch is installed."""

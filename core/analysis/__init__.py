"""What recorded steps tell: metrics, means, crossovers, and the colours that show them."""

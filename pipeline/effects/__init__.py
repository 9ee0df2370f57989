"""From matched sets to effects: differences, curves, savings, and how sure one may be of them."""

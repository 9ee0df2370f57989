"""What the platforms did and whom they accompanied: counts of persons, one case each (the first)."""

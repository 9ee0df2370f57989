"""Disclosure control: to the right of this package nothing ever sees a person."""

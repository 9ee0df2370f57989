"""Attackers that know the generalisation hierarchies, each beside its control and a blind guess.

One module per question: whose row is it (`linkage`), what is not known of the person (`inference`), was the person
accompanied (`accompaniment`), how likely is a match at all (`risk`). Success is told apart from what anyone could guess
without the release (`baseline`), after Giomi et al. 2023, A unified framework for quantifying privacy risk in synthetic
data (Anonymeter); and from the same attack on unprotected rows (`control`), without which failing would prove nothing.
"""

"""The first border: keyed pseudonyms, agreement and withdrawal. Nothing to its right sees a direct identifier."""

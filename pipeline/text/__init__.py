"""French free text: nothing of it leaves unless it was masked and read again."""

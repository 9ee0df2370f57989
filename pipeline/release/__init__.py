"""Write a release, verify it from its own files, switch it in; the synthesis and audit documents.

Belongs here: everything that touches the published folder, and all HTML. Must not: any figure computed from persons.
"""

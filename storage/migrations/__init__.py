"""Migrations, oldest first. A released one is never edited; each says how it is undone."""

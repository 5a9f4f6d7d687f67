"""The writers that come with Pli. A bot has an account, a badge, and no right a letter-writer does not have."""

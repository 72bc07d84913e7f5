"""Badges and their quests: the catalogue, settings, images, holder counts and insights."""

"""The recipes: one file a run. Found by name, see sslzoo/recipe.py."""

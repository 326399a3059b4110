"""Training recipes: how the small models that ship with the project came to be."""

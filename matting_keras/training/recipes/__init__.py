"""The losses of the field's recipes, one family a file, all behind one interface."""

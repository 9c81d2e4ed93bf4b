"""The one error a user can mend: a bad file, a bad value, a pair that does not fit."""


class InputError(ValueError):
    """Something given from outside cannot be used.

    The message names the file or value, what was expected and the way out. Commands print it
    without a traceback and exit with 1; libraries may catch it as a `ValueError`.
    """

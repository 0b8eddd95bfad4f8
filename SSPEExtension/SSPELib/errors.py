"""The errors that reach a person. Each message names the thing, the value and the way out."""


class SSPEError(Exception):
    """Base of every error whose message a clinician can act on."""


class InputError(SSPEError):
    """A file or volume cannot be used as it is."""


class ModelError(SSPEError):
    """The bundled or chosen network weights are missing, damaged or do not fit their description."""


class DeviceError(SSPEError):
    """The computing device asked for is not there."""


class RegistrationError(SSPEError):
    """No transform could be computed at all; a doubtful one is returned and says so instead."""


class Cancelled(Exception):
    """Raised by a progress callback to stop the work. It is no error and carries no message."""

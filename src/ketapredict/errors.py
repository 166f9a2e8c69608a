"""Errors a user can cause: each message says what was expected, what was found and what to do.

No message carries a patient's value: values are patient data and messages end up in logs.
"""


class KetapredictError(Exception):
    """Base of all errors that are shown as one message without a traceback; exit status 2."""


class FileError(KetapredictError):
    """A file is absent, empty, of an unknown format, or cannot be read or written."""


class MappingError(KetapredictError):
    """A mapping does not describe the files that it is used on."""


class ProtocolError(KetapredictError):
    """A protocol is incomplete, contradicts itself, or does not fit the model or the cohort."""


class CohortError(KetapredictError):
    """A table cannot become a cohort, or a cohort cannot serve the request."""


class LeakageError(KetapredictError):
    """A feature is known only after the landmark, or at or after the outcome."""


class TrainingError(KetapredictError):
    """Nothing can honestly be fitted to the data at hand."""


class ModelError(KetapredictError):
    """A saved model is absent, damaged, of another format version, or does not fit the request."""


class EngineError(KetapredictError):
    """Spark is not installed, cannot be started, or failed."""


class TrackingError(KetapredictError):
    """The MLflow store cannot be reached, is locked, or refuses what is to be stored."""


class ServerError(KetapredictError):
    """The page and the REST interface cannot be served with these settings, or their database cannot be used."""


class AccountError(KetapredictError):
    """An account or a token cannot be made or changed as asked."""

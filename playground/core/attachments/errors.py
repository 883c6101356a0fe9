"""The exception of attached files."""


class AttachmentError(Exception):
    """A file cannot be attached; the message says which, why, and what to do, and may be shown as it is."""

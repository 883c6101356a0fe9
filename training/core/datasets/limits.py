"""Caps on what is read of an uploaded file, whatever it holds."""

FILE_BYTES_MAX = 512 * 2**20
"""As much as a request may carry."""
ROWS_MAX = 2_000_000
ROW_BYTES_MAX = 1 << 20
MESSAGES_MAX = 1000
"""In one row."""
PROBLEMS_LISTED = 100
"""Problems that are kept with their lines; all of them are counted."""
LOOKED_AT_FIRST = 1000
BAD_SHARE_MAX = 0.5
"""Where more of the first LOOKED_AT_FIRST rows than this are bad, the file is of another kind, and reading it
to its end would only repeat that."""

"""Documents that are not shown: personal data, blocked, taken down. docs/withholding.md explains it."""

"""The text of files that people attach: checked, decoded, and read out of PDFs in a process of their own."""

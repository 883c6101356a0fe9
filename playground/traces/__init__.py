"""Pages of traces: of answers and of any text, compared, shared; numbers, documents and what is lit."""

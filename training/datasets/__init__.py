"""Data that people bring: uploaded, checked row by row, made into token stores."""

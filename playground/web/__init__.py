"""The web server: uvicorn, with bounds on how slow a client may be and how many there may be."""

"""/api/threads/, messages/, models/, traces/ and shares/: what people made here, for their programs."""

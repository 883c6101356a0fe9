"""Terms of use: numbered versions, each accepted by whoever goes on."""

"""People's chats: found, named, deleted and had back, written to files and read from them."""

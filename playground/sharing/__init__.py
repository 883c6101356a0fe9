"""Links to chats as they were when they were shared, with the traces of their answers."""

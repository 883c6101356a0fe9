"""What people take from a chat: an answer's raw text, and the request behind it as curl or Python."""

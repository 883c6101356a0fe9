"""What people, groups, models and keys have used, and what it costs."""

"""Fine-tuning: jobs as people ask for them, their forms, what they will cost, and their pages."""

"""/v1/fine_tuning/jobs as OpenAI's clients call it, over the jobs of training.fine_tuning."""

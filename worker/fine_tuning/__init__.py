"""Fine-tunes: jobs that teach a model, in processes beside those that make pictures."""

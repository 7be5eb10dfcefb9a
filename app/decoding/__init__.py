"""Pictures of strangers are decoded in processes of their own, which have nothing to lose."""

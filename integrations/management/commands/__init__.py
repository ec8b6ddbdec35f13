"""Commands: worker, sandbox, demo."""

"""What an auditor sees: who was shown what, and what was refused."""

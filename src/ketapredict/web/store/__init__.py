"""What is kept: accounts, sessions, security events, shown predictions."""

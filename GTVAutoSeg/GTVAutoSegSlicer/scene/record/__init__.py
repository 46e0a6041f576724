"""What is kept of a scene for those who sign: approvals, and who did what."""

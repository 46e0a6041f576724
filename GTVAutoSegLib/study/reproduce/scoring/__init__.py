"""What is predicted by each system, and how well."""

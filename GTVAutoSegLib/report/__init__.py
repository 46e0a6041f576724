"""What a person looks at: measures, pictures and pages of a case."""

"""What a physicist signs: what a person edited, who approved it, and an audit trail that shows later changes."""

"""Commands for who answers for outlines: approvals, and the trail that shows later changes."""

"""What a person, or a program, is told while a network is trained, and before."""

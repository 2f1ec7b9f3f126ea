"""What can be opened, and how: profiles and the YAML they are written in."""

"""A notebook that teaches relations and clocks."""

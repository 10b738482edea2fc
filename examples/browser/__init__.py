"""A web page that follows and changes a machine."""

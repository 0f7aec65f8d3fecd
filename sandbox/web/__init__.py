"""The tenant over HTTP: routes and their answers. What is answered is decided elsewhere."""

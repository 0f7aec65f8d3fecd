"""The tenant over HTTP: routes and answers. Their content is decided elsewhere."""

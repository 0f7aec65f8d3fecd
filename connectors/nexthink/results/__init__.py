"""Results of exports: download, unpacking, strict reading of CSV."""

"""Results of exports: download, decompression, strict reading of CSV."""

"""Places that a lake cannot be in, and what to use instead."""

import re

# Schemes that are known by other programs; with one colon they would otherwise become a folder.
_GOOGLE = {"gs", "gcs"}
_AZURE = {"abfs", "abfss", "adl", "adls", "wasb", "wasbs", "azure"}
_S3 = {"s3a", "s3n", "r2", "minio", "b2", "oss", "cos"}
_HADOOP = {"hdfs", "webhdfs", "viewfs"}
_LOCAL = {"file", "local"}
KNOWN = _GOOGLE | _AZURE | _S3 | _HADOOP | _LOCAL
# Also matches `s3:/bucket`, which would otherwise become a folder of that name.
URL = re.compile(rf"[a-z][a-z0-9+.-]*://|(s3|az|{'|'.join(sorted(KNOWN))}):(?!\\)", re.IGNORECASE)


def instead_of(url: str) -> str:
    """Return in one line why a place cannot be used, and which one can; the URL is not repeated."""
    scheme = url.partition(":")[0].lower()
    if scheme in _GOOGLE:
        return (
            "Google Cloud Storage is not supported: its conditional writes could not be tested; "
            "use a folder, s3:// or az:// (docs/lake.md)"
        )
    if scheme in _AZURE:
        return "write Azure Blob Storage as az://container/prefix"
    if scheme in _S3:
        return "write an S3-compatible service as s3://bucket/prefix, with AWS_ENDPOINT_URL"
    if scheme in _HADOOP:
        return (
            "HDFS is not supported, as it has no conditional writes; use a folder, s3:// or az://"
        )
    if scheme in _LOCAL:
        return "write a folder as its path, such as /data/lake"
    return "must be a folder, s3://bucket/prefix or az://container/prefix"

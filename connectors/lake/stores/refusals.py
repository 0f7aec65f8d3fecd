"""Turning what an object store answers into one line: the place, what is wrong, what to do.

Never more of the answer than its status and code: the rest may hold signed requests.
"""

import re

from connectors.errors import PipelineError, StorageError, UnavailableError

STATUS = re.compile(r"status code: (\d{3})")
CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
SERVER_ERROR = 500
SLOW_DOWN = (408, 429)

# The codes of S3 and Azure (or words of the client), and what to do about them, best known first.
REMEDIES = (
    (
        r"NoSuchBucket|ContainerNotFound",
        "there is no such bucket or container: create it, or correct NXP_LAKE",
    ),
    (
        r"ExpiredToken|TokenRefreshRequired|RequestExpired",
        "the credential has expired: renew it and run again",
    ),
    (
        r"RequestTimeTooSkewed",
        "the service refuses this machine's clock: set it right",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|Invalid\w*Token|AuthenticationFailed|Unauthentic",
        "the service does not accept the credential: correct the AWS_* or AZURE_* variables",
    ),
    (
        r"PermanentRedirect|AuthorizationHeaderMalformed|Received redirect without LOCATION",
        "the bucket is in another region: set AWS_REGION",
    ),
    (
        r"URL scheme is not allowed|BadScheme",
        "the endpoint is plain http: use https, or set AWS_ALLOW_HTTP=true (AZURE_ALLOW_HTTP)",
    ),
    (
        r"169\.254\.|metadata/identity|AssumeRole|[Cc]redential|Account must be specified",
        "no usable credential: set the AWS_* or AZURE_* variables, or use a role of the machine",
    ),
)


def refusal(error: Exception, place: str) -> PipelineError:
    """Say what an error of the object store means for a place."""
    text = str(error)
    answer = text.partition("Debug source")[0]
    status = int(found[1]) if (found := STATUS.search(answer)) else None
    code = found[1] if (found := CODE.search(answer)) else type(error).__name__
    for pattern, remedy in REMEDIES:
        if re.search(pattern, f"{code} {answer}" if status is None else code):
            return StorageError(f"{place}: {remedy}")
    if status is None and not re.search(r"HTTP error|error sending|timed out", answer):
        return StorageError(f"{place}: the object storage cannot be used ({code})")
    if status is None:
        return UnavailableError(
            f"{place}: the object storage cannot be reached: check the network, the endpoint "
            "(AWS_ENDPOINT_URL, AZURE_STORAGE_ENDPOINT) and the proxy, then run again"
        )
    if status >= SERVER_ERROR or status in SLOW_DOWN:
        return UnavailableError(f"{place}: the object storage answers {status}: run again later")
    if status in {401, 403}:
        return StorageError(
            f"{place}: access denied ({code}): give the credential the rights that docs/lake.md "
            "lists"
        )
    return StorageError(f"{place}: the object storage answers {status} ({code})")

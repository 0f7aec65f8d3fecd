"""Turning an object store's error into one line: the place, what is wrong, what to do.

Of the answer only status and code are shown: the rest may hold signed requests.
"""

import re

from connectors.errors import PipelineError, StorageError, UnavailableError

STATUS = re.compile(r"status code: (\d{3})")
CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
SERVER_ERROR = 500
SLOW_DOWN = (408, 429)
DENIED = (401, 403)

# The codes of S3 and Azure, and what to do about them.
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
        r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint",
        "the bucket is in another region: set AWS_REGION",
    ),
)
# The client's own words for what fails before a request is sent.
PLAIN_HTTP = "BadScheme"
WRONG_REGION = "redirect without LOCATION"
NO_CREDENTIAL = re.compile(
    r"/latest/(api/token|meta-data)|169\.254\.|/metadata/identity|AssumeRole"
    r"|Account must be specified|MissingAccount"
)
NETWORK = re.compile(r"HTTP error|error sending|timed out")


def refusal(error: Exception, place: str) -> PipelineError:
    """Return the error to raise for an object store's error at a place."""
    text = str(error)
    answer = text.partition("Debug source")[0]
    status = int(found[1]) if (found := STATUS.search(answer)) else None
    code = found[1] if (found := CODE.search(answer)) else type(error).__name__
    if PLAIN_HTTP in text:
        return StorageError(
            f"{place}: the endpoint is plain http: use https, or set AWS_ALLOW_HTTP=true "
            "(AZURE_ALLOW_HTTP)"
        )
    if NO_CREDENTIAL.search(answer):
        return StorageError(
            f"{place}: no usable credential: set the AWS_* or AZURE_* variables, or run where the "
            "machine has a role"
        )
    if WRONG_REGION in answer:
        code = "PermanentRedirect"
    for pattern, remedy in REMEDIES:
        if re.search(pattern, code):
            return StorageError(f"{place}: {remedy}")
    return _by_status(place, status, code, answer)


def _by_status(place: str, status: int | None, code: str, answer: str) -> PipelineError:
    if status is None and NETWORK.search(answer):
        return UnavailableError(
            f"{place}: the object storage cannot be reached: check the network, the endpoint "
            "(AWS_ENDPOINT_URL, AZURE_STORAGE_ENDPOINT) and the proxy, then run again"
        )
    if status is None:
        return StorageError(f"{place}: the object storage cannot be used ({code})")
    if status >= SERVER_ERROR or status in SLOW_DOWN:
        return UnavailableError(f"{place}: the object storage answers {status}: run again later")
    if status in DENIED:
        return StorageError(
            f"{place}: access denied ({code}): grant the credential the rights listed in "
            "docs/lake.md"
        )
    return StorageError(f"{place}: the object storage answers {status} ({code})")

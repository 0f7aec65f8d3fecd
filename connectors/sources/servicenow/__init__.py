"""ServiceNow tables, read through the Table API."""

from connectors.sources.servicenow.source import ServiceNowSource
from connectors.sources.servicenow.specification import ServiceNowSpecification

__all__ = ["ServiceNowSource", "ServiceNowSpecification"]

"""Names of landing tables that contain the tenant's name."""

import pytest
from pydantic import ValidationError

from connectors.catalogue.landings import SqlSpecification


@pytest.mark.parametrize(
    ("tenant", "schema", "table"),
    [
        ("acme.eu", "nexthink_acme_eu", "acme_eu"),
        ("north-1", "nexthink_north_1", "north_1"),
        ("7eleven", "nexthink_t_7eleven", "t_7eleven"),
    ],
)
def test_a_tenants_name_becomes_a_part_of_an_identifier(
    tenant: str, schema: str, table: str
) -> None:
    given = SqlSpecification.model_validate({"schema": "nexthink_{tenant}", "table": "{tenant}"})
    found = given.of(tenant)
    assert (found.schema_, found.table, found.snapshot) == (schema, table, given.snapshot)


def test_names_without_it_stay_and_others_are_refused() -> None:
    assert SqlSpecification().of("acme.eu") == SqlSpecification()
    for wrong in ("{Tenant}", "{tenant", "a-{tenant}", "{tenant};"):
        with pytest.raises(ValidationError):
            SqlSpecification.model_validate({"table": wrong})
    with pytest.raises(ValidationError):
        SqlSpecification.model_validate({"table": "{tenant}_devices"}).of("a" * 60)

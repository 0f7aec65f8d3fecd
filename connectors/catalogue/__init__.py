"""The catalogue on disk: dataset specifications (YAML) and their saved queries (NQL).

Only reads and validates; tasks/ decides what a dataset needs from the tenant.
"""

from connectors.catalogue.checks import (
    AllowedCheck,
    Check,
    FreshCheck,
    NotNullCheck,
    RowsCheck,
    Severity,
    UniqueCheck,
)
from connectors.catalogue.columns import (
    Column,
    ColumnType,
    DerivedColumn,
    landed_name,
    private_columns,
)
from connectors.catalogue.dataset import DATASET_PATTERN, DatasetSpecification, Drift
from connectors.catalogue.descriptions import Described, Sortable
from connectors.catalogue.landings import PARQUET, SQL, SnapshotLoad, SqlSpecification
from connectors.catalogue.loading import (
    Loaded,
    declared_types,
    load_dataset,
    load_datasets,
    query_path,
    query_problems,
    read_datasets,
    read_raw,
    read_specifications,
)
from connectors.catalogue.modes import Mode
from connectors.catalogue.names import (
    ACTIONS,
    DATASETS,
    QUESTIONS,
    SYNCS,
    check_all_named,
    check_named,
    names_in,
)
from connectors.catalogue.retention import RetentionClass, TenantRetention, kept_for
from connectors.catalogue.shards import Shard
from connectors.catalogue.specification import DAY, DURATION_PATTERN, Specification, parse_duration
from connectors.catalogue.windows import WindowSpecification

__all__ = [
    "ACTIONS",
    "DATASETS",
    "DATASET_PATTERN",
    "DAY",
    "DURATION_PATTERN",
    "PARQUET",
    "QUESTIONS",
    "SQL",
    "SYNCS",
    "AllowedCheck",
    "Check",
    "Column",
    "ColumnType",
    "DatasetSpecification",
    "DerivedColumn",
    "Described",
    "Drift",
    "FreshCheck",
    "Loaded",
    "Mode",
    "NotNullCheck",
    "RetentionClass",
    "RowsCheck",
    "Severity",
    "Shard",
    "SnapshotLoad",
    "Sortable",
    "Specification",
    "SqlSpecification",
    "TenantRetention",
    "UniqueCheck",
    "WindowSpecification",
    "check_all_named",
    "check_named",
    "declared_types",
    "kept_for",
    "landed_name",
    "load_dataset",
    "load_datasets",
    "names_in",
    "parse_duration",
    "private_columns",
    "query_path",
    "query_problems",
    "read_datasets",
    "read_raw",
    "read_specifications",
]

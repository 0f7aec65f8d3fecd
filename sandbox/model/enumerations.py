"""The enumerations that enrichment sends as numbers."""

# Enrichment sends these enumerations as numbers; 0 means no value.
ENUM_CODES: dict[str, tuple[str | None, ...]] = {
    "device.virtualization.desktop_broker": (
        None, "citrix_cvad", "citrix_daas", "azure_virtual_desktops", "windows_365",
        "horizon_on_prem", "aws_workspace", "aws_appstream",
    ),
    "device.virtualization.type": (None, "shared", "personal", "pooled"),
}  # fmt: skip

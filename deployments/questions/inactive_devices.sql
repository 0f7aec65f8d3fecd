-- title: Devices that were not seen for a week
-- text: Devices of the newest inventory that sent nothing for seven days or more, longest first. They
--   may be lost, spare, or without a working Collector. Nexthink forgets a device after some time,
--   so that those missing longest may not be listed any more.
-- chart: bar x=device_name y=days_since_last_seen
SELECT
    device_uid,
    device_name,
    entity,
    model,
    operating_system,
    collector_version,
    last_seen_at,
    days_since_last_seen
FROM devices
WHERE days_since_last_seen >= 7
ORDER BY days_since_last_seen DESC, device_uid

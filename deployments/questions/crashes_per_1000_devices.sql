-- title: Crashes per 1,000 devices and week
-- text: How many times programs crashed in each week, from Monday in UTC, for every 1,000 devices.
--   The devices are those of the newest inventory. The first and the last week may be incomplete.
-- chart: line x=week y=crashes_per_1000_devices
WITH fleet AS (SELECT count(*) AS devices FROM devices)

SELECT
    CAST(date_trunc('week', crashed_at) AS DATE) AS week,
    CAST(sum(number_of_crashes) AS BIGINT) AS crashes,
    any_value(fleet.devices) AS devices,
    round(1000.0 * sum(number_of_crashes) / nullif(any_value(fleet.devices), 0), 1)
        AS crashes_per_1000_devices
FROM crashes
CROSS JOIN fleet
GROUP BY week
ORDER BY week

-- title: New devices by week
-- text: How many devices of the newest inventory were first seen in each week, from Monday in UTC.
--   Devices that have left the inventory since are not counted.
-- chart: line x=week y=devices
SELECT
    CAST(date_trunc('week', first_seen_at) AS DATE) AS week,
    count(*) AS devices
FROM devices
WHERE first_seen_at IS NOT NULL
GROUP BY week
ORDER BY week

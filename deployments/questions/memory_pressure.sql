-- title: Devices short of memory
-- text: Which sizes of memory are too small: for each size, how many devices used more than 80 % of
--   it on average over the days that have landed. A high share says that this size is due for more.
-- chart: bar x=memory_gb y=short_percent
WITH used AS (
    SELECT
        device_uid,
        round(max(installed_memory_bytes) / 1e9) AS memory_gb,
        avg(used_memory_bytes / installed_memory_bytes) AS used_share
    FROM device_performance
    WHERE used_memory_bytes IS NOT NULL AND installed_memory_bytes > 0
    GROUP BY device_uid
)

SELECT
    CAST(memory_gb AS BIGINT) AS memory_gb,
    count(*) AS devices,
    count(*) FILTER (WHERE used_share > 0.8) AS devices_short_of_memory,
    round(100.0 * count(*) FILTER (WHERE used_share > 0.8) / count(*), 1) AS short_percent,
    round(100.0 * avg(used_share), 1) AS average_used_percent
FROM used
GROUP BY memory_gb
ORDER BY memory_gb

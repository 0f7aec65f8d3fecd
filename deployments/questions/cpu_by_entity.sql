-- title: CPU by entity
-- text: How busy processors are in each entity of the company, from the daily averages of its
--   devices. 100 is one core in full use, so that devices with many cores can have several hundred.
--   Devices that the newest inventory lacks are counted without an entity.
-- chart: bar x=entity y=average_cpu_percent
SELECT
    devices.entity,
    count(DISTINCT device_performance.device_uid) AS devices,
    count(*) AS device_days,
    round(avg(device_performance.cpu_usage_percent), 1) AS average_cpu_percent,
    round(quantile_cont(device_performance.cpu_usage_percent, 0.9), 1) AS p90_cpu_percent
FROM device_performance
LEFT JOIN devices USING (device_uid)
WHERE device_performance.cpu_usage_percent IS NOT NULL
GROUP BY devices.entity
ORDER BY average_cpu_percent DESC, devices.entity

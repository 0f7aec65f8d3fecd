-- title: Devices that were not restarted for long
-- text: For how long the devices of the newest inventory have run without a full boot. Updates wait
--   for a restart; fast startup is not one.
-- chart: bar x=days_since_full_boot y=devices
SELECT
    CASE
        WHEN days_since_last_full_boot IS NULL THEN 'unknown'
        WHEN days_since_last_full_boot < 7 THEN '0 to 6'
        WHEN days_since_last_full_boot < 14 THEN '7 to 13'
        WHEN days_since_last_full_boot < 30 THEN '14 to 29'
        ELSE '30 or more'
    END AS days_since_full_boot,
    count(*) AS devices,
    count(*) FILTER (WHERE hardware_type = 'laptop') AS laptops
FROM devices
GROUP BY days_since_full_boot
ORDER BY min(days_since_last_full_boot) NULLS LAST

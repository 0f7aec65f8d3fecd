-- title: Operating systems
-- text: How many devices of the newest inventory run each operating system, how many of them are
--   laptops, and what share of all devices they are.
-- chart: bar x=operating_system y=devices
SELECT
    platform,
    operating_system,
    count(*) AS devices,
    count(*) FILTER (WHERE hardware_type = 'laptop') AS laptops,
    round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent
FROM devices
GROUP BY platform, operating_system
ORDER BY devices DESC, operating_system

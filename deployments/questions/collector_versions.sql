-- title: Versions of the Collector
-- text: Which versions of the Nexthink Collector the devices of the newest inventory run, and what
--   share each has. Old versions lack what newer ones measure.
-- chart: bar x=collector_version y=devices
SELECT
    collector_version,
    count(*) AS devices,
    round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent
FROM devices
GROUP BY collector_version
ORDER BY devices DESC, collector_version

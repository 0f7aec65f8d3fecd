-- title: Builds of Windows
-- text: Which builds of Windows the devices of the newest inventory run, and what share of the
--   devices with Windows each has. Old builds at the bottom of the list wait for their update.
-- chart: bar x=operating_system_build y=devices
SELECT
    operating_system,
    operating_system_build,
    count(*) AS devices,
    round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent
FROM devices
WHERE platform = 'Windows'
GROUP BY operating_system, operating_system_build
ORDER BY devices DESC, operating_system, operating_system_build

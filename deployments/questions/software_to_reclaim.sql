-- title: Software to reclaim
-- text: Metered applications that devices use for less than an hour in all the weeks that have
--   landed: candidates for giving back licences. Devices that never opened an application are not
--   in the metering, and come on top. Land at least four weeks before acting on it.
-- chart: bar x=application_name y=rarely_used_devices
WITH used AS (
    SELECT application_name, device_uid, sum(coalesce(usage_seconds, 0)) AS seconds
    FROM software_metering
    GROUP BY application_name, device_uid
)

SELECT
    application_name,
    count(*) AS devices,
    count(*) FILTER (WHERE seconds < 3600) AS rarely_used_devices,
    round(100.0 * count(*) FILTER (WHERE seconds < 3600) / count(*), 1) AS rarely_used_percent,
    round(sum(seconds) / 3600.0, 1) AS hours_used
FROM used
GROUP BY application_name
ORDER BY rarely_used_devices DESC, application_name

-- title: Slow logins by week
-- text: How many logins took more than a minute until the desktop could be used, and what share of
--   all logins that is. Logins without a measured time are left out. Weeks begin on Monday in UTC;
--   the first and the last one may be incomplete.
-- chart: line x=week y=slow_percent
SELECT
    CAST(date_trunc('week', logged_in_at) AS DATE) AS week,
    count(*) AS logins,
    count(*) FILTER (WHERE desktop_ready_seconds > 60) AS slow_logins,
    round(100.0 * count(*) FILTER (WHERE desktop_ready_seconds > 60) / count(*), 1) AS slow_percent,
    count(DISTINCT device_uid) FILTER (WHERE desktop_ready_seconds > 60) AS devices_with_slow_logins,
    round(median(desktop_ready_seconds), 1) AS median_seconds
FROM logins
WHERE desktop_ready_seconds IS NOT NULL
GROUP BY week
ORDER BY week

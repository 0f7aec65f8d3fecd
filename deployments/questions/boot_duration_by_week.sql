-- title: Duration of boots by week
-- text: How long full boots take, in seconds: half of them are shorter than the median, nine of ten
--   shorter than p90. Fast startups are left out, because they restore a saved session. Weeks begin
--   on Monday in UTC; the first and the last one may be incomplete.
-- chart: line x=week y=p90_seconds
SELECT
    CAST(date_trunc('week', booted_at) AS DATE) AS week,
    count(*) AS boots,
    round(quantile_cont(duration_seconds, 0.5), 1) AS median_seconds,
    round(quantile_cont(duration_seconds, 0.9), 1) AS p90_seconds,
    round(quantile_cont(duration_seconds, 0.95), 1) AS p95_seconds
FROM boots
WHERE boot_type = 'full_boot' AND duration_seconds IS NOT NULL
GROUP BY week
ORDER BY week

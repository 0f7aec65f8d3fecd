-- title: Slow boots by model
-- text: The models on which full boots take longest, in seconds, by the boot in the middle, with how
--   many boots have landed. Models with few boots say little.
-- chart: bar x=model y=boot_seconds_median
SELECT
    devices.model,
    count(*) AS boots,
    count(DISTINCT boots.device_uid) AS devices,
    round(median(boots.duration_seconds), 1) AS boot_seconds_median
FROM boots
INNER JOIN devices USING (device_uid)
WHERE boots.boot_type = 'full_boot' AND boots.duration_seconds IS NOT NULL
GROUP BY devices.model
ORDER BY boot_seconds_median DESC, devices.model

-- title: Crashes across the versions of a program
-- text: Whether an update made the program that crashes most better or worse: for each of its
--   versions, the crashes for every 100 device-days on which that version ran. Only days of which
--   both the crashes and the running programs have landed count. For another program, name it in
--   place of the first SELECT.
-- chart: bar x=binary_version y=crashes_per_100_device_days
WITH chosen AS (
    SELECT binary_name
    FROM crashes
    GROUP BY binary_name
    ORDER BY sum(number_of_crashes) DESC, binary_name
    LIMIT 1
),

ran AS (
    SELECT
        binary_version,
        min(date) AS first_seen,
        count(DISTINCT device_uid) AS devices,
        count(DISTINCT (device_uid, date)) AS device_days
    FROM execution_daily
    WHERE binary_name IN (FROM chosen)
    GROUP BY binary_version
),

crashed AS (
    SELECT
        binary_version,
        sum(number_of_crashes) AS crashes,
        count(DISTINCT device_uid) AS devices_with_crashes
    FROM crashes
    WHERE
        binary_name IN (FROM chosen)
        AND date IN (SELECT date FROM execution_daily)
    GROUP BY binary_version
)

SELECT
    chosen.binary_name,
    ran.binary_version,
    ran.first_seen,
    ran.devices,
    ran.device_days,
    CAST(coalesce(crashed.crashes, 0) AS BIGINT) AS crashes,
    coalesce(crashed.devices_with_crashes, 0) AS devices_with_crashes,
    round(100.0 * coalesce(crashed.crashes, 0) / ran.device_days, 1)
        AS crashes_per_100_device_days
FROM ran
CROSS JOIN chosen
LEFT JOIN crashed ON crashed.binary_version IS NOT DISTINCT FROM ran.binary_version
ORDER BY ran.first_seen, ran.binary_version

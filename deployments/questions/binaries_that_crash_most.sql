-- title: Programs that crash most
-- text: The 20 programs with most crashes, on how many devices, and how many of these crashes came
--   while the program started. The period is all that has landed.
-- chart: bar x=binary_name y=crashes
SELECT
    binary_name,
    CAST(sum(number_of_crashes) AS BIGINT) AS crashes,
    count(DISTINCT device_uid) AS devices,
    CAST(coalesce(sum(number_of_crashes) FILTER (WHERE is_on_start), 0) AS BIGINT)
        AS crashes_on_start,
    max(crashed_at) AS last_crash_at
FROM crashes
GROUP BY binary_name
ORDER BY crashes DESC, binary_name
LIMIT 20

-- title: Devices with most crashes
-- text: The 20 devices on which programs crashed most, with their model, and how many different
--   programs crashed there. Many programs on one device point to the device; one program on many
--   devices is found by binaries_that_crash_most. The period is all that has landed.
-- chart: bar x=device_name y=crashes
SELECT
    crashes.device_uid,
    any_value(crashes.device_name) AS device_name,
    any_value(devices.model) AS model,
    any_value(devices.operating_system) AS operating_system,
    CAST(sum(crashes.number_of_crashes) AS BIGINT) AS crashes,
    count(DISTINCT crashes.binary_name) AS programs,
    max(crashes.crashed_at) AS last_crash_at
FROM crashes
LEFT JOIN devices USING (device_uid)
GROUP BY crashes.device_uid
ORDER BY crashes DESC, crashes.device_uid
LIMIT 20

-- title: How many versions of a program are in use
-- text: For each program how many versions devices ran last, on how many devices, and which share
--   of them has the most common version. Many versions and a low share mean that updates do not
--   reach everybody. The 50 programs with most versions are listed.
-- chart: bar x=binary_name y=versions
WITH newest AS (
    SELECT
        binary_name,
        device_uid,
        max(struct_pack(at := started_at, version := binary_version)).version AS binary_version
    FROM execution_daily
    WHERE binary_version IS NOT NULL
    GROUP BY binary_name, device_uid
),

spread AS (
    SELECT binary_name, binary_version, count(*) AS devices
    FROM newest
    GROUP BY binary_name, binary_version
)

SELECT
    binary_name,
    count(*) AS versions,
    CAST(sum(devices) AS BIGINT) AS devices,
    first(binary_version ORDER BY devices DESC, binary_version) AS most_common_version,
    max(devices) AS devices_on_it,
    round(100.0 * max(devices) / sum(devices), 1) AS percent_on_it
FROM spread
GROUP BY binary_name
ORDER BY versions DESC, devices DESC, binary_name
LIMIT 50

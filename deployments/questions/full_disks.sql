-- title: Devices whose system drive is nearly full
-- text: Devices that had less than 10 % of their system drive free on the last day that has landed of
--   them. Windows does not update when there is too little space.
-- chart: bar x=device_name y=free_percent
WITH newest AS (
    SELECT
        device_uid,
        max(date) AS day,
        arg_max(device_name, date) AS device_name,
        arg_max(system_drive_free_bytes, date) AS free_bytes,
        arg_max(system_drive_capacity_bytes, date) AS capacity_bytes
    FROM device_performance
    WHERE system_drive_free_bytes IS NOT NULL AND system_drive_capacity_bytes > 0
    GROUP BY device_uid
)

SELECT
    device_uid,
    device_name,
    day,
    round(capacity_bytes / 1e9, 1) AS capacity_gb,
    round(free_bytes / 1e9, 1) AS free_gb,
    round(100.0 * free_bytes / capacity_bytes, 1) AS free_percent
FROM newest
WHERE free_bytes < 0.1 * capacity_bytes
ORDER BY free_percent, device_uid

-- title: Models of hardware
-- text: The 20 most frequent models in the newest inventory, with the memory of the device in
--   the middle, in GB.
-- chart: bar x=model y=devices
SELECT
    manufacturer,
    model,
    count(*) AS devices,
    round(median(memory_bytes) / 1e9, 1) AS memory_gb_median
FROM devices
GROUP BY manufacturer, model
ORDER BY devices DESC, manufacturer, model
LIMIT 20

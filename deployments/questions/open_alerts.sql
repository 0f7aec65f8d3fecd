-- title: Open alerts
-- text: Alerts that were open when they landed, by monitor: how many, since when, and how many
--   devices they are about. An alert that recovered after it landed is listed until it lands again.
-- chart: bar x=monitor_name y=open_alerts
WITH open_ones AS (
    SELECT monitor_nql_id, monitor_name, monitor_priority, raised_at, number_of_alerts
    FROM alerts
    WHERE status = 'open'
)

SELECT
    open_ones.monitor_name,
    open_ones.monitor_priority,
    CAST(sum(open_ones.number_of_alerts) AS BIGINT) AS open_alerts,
    min(open_ones.raised_at) AS oldest_raised_at,
    (
        SELECT count(DISTINCT alert_impacts.device_uid)
        FROM alert_impacts
        WHERE
            alert_impacts.monitor_nql_id = open_ones.monitor_nql_id
            AND alert_impacts.raised_at IN (
                SELECT each.raised_at
                FROM open_ones AS each
                WHERE each.monitor_nql_id = alert_impacts.monitor_nql_id
            )
    ) AS devices
FROM open_ones
GROUP BY open_ones.monitor_nql_id, open_ones.monitor_name, open_ones.monitor_priority
ORDER BY open_alerts DESC, open_ones.monitor_name

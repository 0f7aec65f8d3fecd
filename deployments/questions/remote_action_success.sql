-- title: Success of remote actions
-- text: How often each remote action did what it should. The share counts executions that ended in
--   success or failure; others still run, wait for the device, or expired.
-- chart: bar x=remote_action_name y=success_percent
SELECT
    remote_action_name,
    count(*) AS executions,
    count(*) FILTER (WHERE status = 'success') AS succeeded,
    count(*) FILTER (WHERE status = 'failure') AS failed,
    count(*) FILTER (WHERE status IS NULL OR status NOT IN ('success', 'failure')) AS others,
    round(
        100.0 * count(*) FILTER (WHERE status = 'success')
        / nullif(count(*) FILTER (WHERE status IN ('success', 'failure')), 0),
        1
    ) AS success_percent
FROM remote_action_executions
GROUP BY remote_action_name
ORDER BY executions DESC, remote_action_name

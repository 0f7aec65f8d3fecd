-- Queries as analysts write them. Each follows a line with the number of its rows. Those that
-- begin with `-->? ` depend on columns: their names cannot be found by binding alone.
-->? 4
SELECT d.device_name, c.app FROM devices d JOIN crashes c USING (device_uid)
-->? 4
SELECT * FROM devices NATURAL JOIN crashes
-->? 4
SELECT device_name, sum(crashes) FROM devices LEFT JOIN crashes USING (device_uid) GROUP BY ALL
-->? 3
SELECT device_name FROM devices SEMI JOIN crashes USING (device_uid)
-->? 1
SELECT device_name FROM devices ANTI JOIN crashes USING (device_uid)
-->? 3
SELECT c.app, b.seconds FROM crashes c ASOF JOIN boots b USING (device_uid, seen_at)
-->? 4
SELECT c.app FROM crashes c ASOF LEFT JOIN boots b ON c.device_uid = b.device_uid AND c.seen_at
>= b.seen_at
-->? 4
SELECT * FROM devices FULL JOIN boots USING (device_uid)
-->? 7
SELECT a.device_name FROM devices a JOIN devices_history b USING (device_uid, device_name)
-->? 3
PIVOT crashes ON app USING sum(crashes) GROUP BY device_uid
-->? 4
PIVOT crashes ON app USING sum(crashes);  -- by device
-->? 3
FROM (PIVOT devices ON os USING count(*) GROUP BY memory) ORDER BY memory
-->? 3
WITH p AS (PIVOT crashes ON app USING sum(crashes) GROUP BY device_uid) SELECT * FROM p JOIN
devices USING (device_uid)
-->? 3
UNPIVOT boots ON seconds INTO NAME what VALUE took
-->? 3
SELECT * FROM boots UNPIVOT (took FOR what IN (seconds))
-->? 4
SELECT COLUMNS('device_.*') FROM devices
-->? 4
SELECT COLUMNS(c -> c LIKE '%name') FROM devices
-->? 4
SELECT * LIKE 'device%' FROM devices
-->? 1
SELECT table_name FROM information_schema.tables WHERE table_name = 'devices_history'
-->? 2
SELECT view_name FROM duckdb_views() WHERE NOT internal AND view_name LIKE 'devices%'
-->? 4
SELECT avg(crashes) OVER (ORDER BY seen_at RANGE BETWEEN INTERVAL 6 HOURS PRECEDING AND CURRENT
ROW) FROM crashes
-->? 2
WITH busy AS (SELECT device_uid FROM crashes GROUP BY 1 HAVING sum(crashes) > 3) SELECT * FROM
devices JOIN busy USING (device_uid)
-->? 6
WITH c AS MATERIALIZED (FROM crashes) SELECT * FROM c x JOIN c y USING (app)
-->? 2
SELECT v.n, d.device_name FROM (VALUES ('u1', 1), ('u9', 2)) v(device_uid, n) LEFT JOIN devices
d USING (device_uid)
-->? 4
SHOW boots
-->? 4
SELECT list_transform(tags, t -> upper(t)) FROM devices
-->? 2
SELECT DISTINCT ON (os) os, device_name FROM devices ORDER BY os, memory DESC
-->? 4
SELECT * FROM query_table('devices')
-->? 4
SELECT * FROM query_table('dev' || 'ices')
-->? 3
SELECT * FROM query('FROM boots')
-->? 4
-- what crashes
SELECT app FROM crashes -- all
-->? 4
/* from broken */ SELECT app FROM crashes;
--> 4
SELECT * FROM devices POSITIONAL JOIN boots
--> 1
SELECT count(*) FROM devices CROSS JOIN crashes
--> 4
SELECT d.device_name, l.n FROM devices d, LATERAL (SELECT count(*) n FROM crashes c WHERE
c.device_uid = d.device_uid) l
--> 3
PIVOT crashes ON app IN ('excel', 'teams') USING sum(crashes) GROUP BY device_uid
--> 3
SELECT * FROM crashes PIVOT (sum(crashes) FOR app IN ('excel', 'outlook') GROUP BY device_uid)
--> 1
SELECT max(COLUMNS(*)) FROM boots
--> 4
SELECT * EXCLUDE (tags) FROM devices
--> 4
SELECT * REPLACE (upper(os) AS os) FROM devices
--> 4
SELECT * RENAME (os AS system) FROM devices
--> 4
SELECT "Last Seen", "device_name" FROM "devices"
--> 3
SELECT DEVICE_NAME FROM DEVICES WHERE Os = 'Windows'
--> 3
SELECT memory AS devices, count(*) AS crashes FROM devices GROUP BY 1
--> 2
SELECT snapshot, count(*) FROM devices_history GROUP BY ALL
--> 0
SELECT * FROM _rejects UNION ALL BY NAME SELECT run_id FROM _runs
--> 2
SELECT os, count(*) AS devices FROM devices GROUP BY ALL ORDER BY ALL
--> 7
SELECT os, memory, count(*) FROM devices GROUP BY ROLLUP (os, memory)
--> 6
SELECT os, memory, count(*) FROM devices GROUP BY GROUPING SETS ((os), (memory), ())
--> 1
SELECT os, count(*) FILTER (WHERE memory > 8) FROM devices GROUP BY os HAVING count(*) > 1
--> 4
SELECT device_uid, row_number() OVER (PARTITION BY os ORDER BY memory) FROM devices
--> 3
SELECT * FROM crashes QUALIFY row_number() OVER (PARTITION BY device_uid ORDER BY crashes DESC)
= 1
--> 4
SELECT sum(crashes) OVER w, lag(app) OVER w FROM crashes WINDOW w AS (PARTITION BY device_uid
ORDER BY seen_at)
--> 3
SELECT app, quantile_cont(crashes, 0.5), arg_max(device_uid, crashes) FROM crashes GROUP BY app
--> 1
SELECT approx_count_distinct(device_uid), mode(os), string_agg(device_name, ', ') FROM devices
--> 3
WITH RECURSIVE days(day) AS (SELECT DATE '2026-11-18' UNION ALL SELECT day + 1 FROM days WHERE
day < '2026-11-20') SELECT day::DATE, count(c.app) FROM days LEFT JOIN crashes c ON c.date =
day GROUP BY ALL
--> 3
SELECT * FROM devices WHERE device_uid IN (SELECT device_uid FROM crashes)
--> 1
SELECT * FROM devices d WHERE NOT EXISTS (FROM crashes c WHERE c.device_uid = d.device_uid)
--> 4
SELECT device_name, (SELECT max(seconds) FROM boots b WHERE b.device_uid = d.device_uid) FROM
devices d
--> 4
SELECT * FROM devices WHERE memory > ALL (SELECT crashes FROM crashes)
--> 1
WITH devices AS (SELECT 1 AS one) FROM devices
--> 4
SELECT device_uid FROM crashes UNION SELECT device_uid FROM boots
--> 7
SELECT * FROM crashes UNION ALL BY NAME SELECT * FROM boots
--> 1
SELECT device_uid FROM devices EXCEPT SELECT device_uid FROM boots
--> 2
(SELECT device_uid FROM devices INTERSECT SELECT device_uid FROM crashes) ORDER BY 1 LIMIT 2
--> 4
FROM devices
--> 2
FROM devices SELECT os WHERE memory = 16
--> 3
TABLE boots
--> 2
VALUES (1, 'a'), (2, 'b')
--> 7
DESCRIBE devices
--> 1
DESCRIBE SELECT os FROM devices
--> 4
SUMMARIZE boots
--> 7
FROM (DESCRIBE devices) SELECT column_name
--> 2
SELECT * FROM devices USING SAMPLE 2 ROWS
--> 2
SELECT * FROM devices ORDER BY memory DESC NULLS LAST LIMIT 2 OFFSET 1
--> 4
SELECT list_filter(tags, lambda t: t <> 'it'), len(tags), tags[1] FROM devices
--> 4
SELECT [t FOR t IN tags IF t = 'it'] FROM devices
--> 4
SELECT device_name, unnest(tags) AS tag FROM devices
--> 2
SELECT os, list(device_name ORDER BY device_name) FROM devices GROUP BY os
--> 4
SELECT regexp_extract(device_name, '^([a-z]+)-', 1) FROM devices WHERE device_name ~ 'pc$' OR
regexp_matches(device_name, 'mac')
--> 4
SELECT date_trunc('hour', seen_at), date_diff('minute', min(seen_at), max(seen_at)),
strftime(max(seen_at), '%Y-%m-%d') FROM crashes GROUP BY 1
--> 4
SELECT seen_at AT TIME ZONE 'Europe/Zurich', seen_at::DATE - INTERVAL 1 DAY, date_part('dow',
seen_at) FROM crashes
--> 3
SELECT time_bucket(INTERVAL '6 hours', seen_at) AS slot, count(*) FROM crashes GROUP BY ALL
--> 4
SELECT {'name': device_name, 'os': os} AS s, map([os], [memory]) FROM devices
--> 4
SELECT to_json(d), json_extract_string('{"a": 1}', '$.a') FROM devices d
--> 2
SELECT CASE WHEN memory >= 16 THEN 'big' ELSE 'small' END AS size, count(*) FROM devices GROUP
BY size
--> 4
SELECT TRY_CAST(device_name AS INTEGER), coalesce(NULL, os), ifnull(NULL, 1) FROM devices
--> 6
SELECT * FROM generate_series(1, 3), range(2)
--> 1
SELECT histogram(memory) FROM devices

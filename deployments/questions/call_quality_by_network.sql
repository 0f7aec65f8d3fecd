-- title: Quality of calls by network
-- text: What share of calls was poor over each kind of network, and the median time that sound takes
--   to the other side and back. A row of the data is one participant of one call.
-- chart: bar x=connection_type y=poor_percent
SELECT
    connection_type,
    count(*) AS calls,
    count(*) FILTER (WHERE call_quality = 'poor') AS poor_calls,
    round(100.0 * count(*) FILTER (WHERE call_quality = 'poor') / count(*), 1) AS poor_percent,
    round(1000 * median(audio_round_trip_seconds), 1) AS median_round_trip_milliseconds
FROM collaboration_sessions
GROUP BY connection_type
ORDER BY calls DESC, connection_type

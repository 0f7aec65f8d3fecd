-- title: DEX score by country over time
-- text: The average DEX score, from 0 to 100, of each country and day, and on how many devices it
--   rests. An average over few devices moves much from one day to the next.
-- chart: line x=day y=dex_score by=country
SELECT
    date AS day,
    country,
    count(DISTINCT device_uid) AS devices,
    round(avg(dex_score), 1) AS dex_score
FROM dex_scores_device
WHERE dex_score IS NOT NULL
GROUP BY day, country
ORDER BY day, country

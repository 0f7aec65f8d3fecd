-- title: Who answers campaigns
-- text: For each campaign of the last 30 days, how many people it was sent to, and how many of them
--   are in each state, such as answered or declined. What they answered is not shown here.
-- chart: bar x=state y=people by=campaign_name
SELECT
    campaign_name,
    state,
    count(*) AS people,
    round(100.0 * count(*) / sum(count(*)) OVER (PARTITION BY campaign_name), 1) AS percent
FROM campaign_responses
GROUP BY campaign_name, state
ORDER BY campaign_name, people DESC, state

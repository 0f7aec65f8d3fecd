-- title: Errors of web applications
-- text: How many errors pages of each web application gave, for every 1,000 page views, and on how
--   many devices. The period is what has landed of both errors and page views.
-- chart: bar x=application_name y=errors_per_1000_page_views
WITH errors AS (
    SELECT
        application_name,
        sum(number_of_errors) AS errors,
        count(DISTINCT device_uid) AS devices
    FROM web_errors
    WHERE date IN (SELECT date FROM web_page_views)
    GROUP BY application_name
),

views AS (
    SELECT application_name, sum(number_of_page_views) AS page_views
    FROM web_page_views
    GROUP BY application_name
)

SELECT
    application_name,
    CAST(coalesce(errors.errors, 0) AS BIGINT) AS errors,
    CAST(coalesce(views.page_views, 0) AS BIGINT) AS page_views,
    round(1000.0 * coalesce(errors.errors, 0) / nullif(views.page_views, 0), 1)
        AS errors_per_1000_page_views,
    coalesce(errors.devices, 0) AS devices_with_errors
FROM errors
FULL JOIN views USING (application_name)
ORDER BY errors DESC, application_name

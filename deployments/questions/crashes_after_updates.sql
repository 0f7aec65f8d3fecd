-- title: Crashes after updates
-- text: How many crashes devices had in the three days before a version of a package was installed
--   on them, and in the three days after. Crashes of all programs count, since an update may break
--   others. Installations of the last three days are left out; days that have not landed count as
--   days without crashes.
-- chart: table
SELECT
    package_name,
    package_version,
    count(DISTINCT i.device_uid) AS devices,
    coalesce(sum(number_of_crashes) FILTER (crashed_at < installed_at), 0) AS crashes_before,
    coalesce(sum(number_of_crashes) FILTER (crashed_at >= installed_at), 0) AS crashes_after
FROM package_installations AS i
-- Conditions in WHERE would lose devices that had no crash.
LEFT JOIN crashes AS c
    ON c.device_uid = i.device_uid
    AND c.crashed_at BETWEEN installed_at - INTERVAL 3 DAY AND installed_at + INTERVAL 3 DAY
WHERE installation_type = 'installation'
    AND status = 'success'
    AND installed_at < (SELECT max(date) FROM crashes) - INTERVAL 2 DAY
GROUP BY package_name, package_version
ORDER BY crashes_after - crashes_before DESC, package_name, package_version

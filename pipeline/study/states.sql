-- The state of each member on each day 0 to $last_state_day from its time zero, as intervals without gap or overlap whose
-- neighbours differ. One state a day, the first of these that holds:
--
--  1. censored           from the end of follow-up on nothing is known well enough to be used.
--  2. death              from its date on: it absorbs, whatever is still paid for the days after.
--  3. retirement         from its date on.
--  4. crpe               in-company vocational retraining, carried out according to a report that stands. The insured works,
--                        and the indemnity that goes on is equal to the allowance: an employment outcome, not a saving, so it
--                        comes before the leave that payment lines show. No end declared: until the report that tells of it.
--                        A supervised trial (essai encadré) is part of the leave: no state.
--  5. part_time_leave    therapeutic part-time, the days that `leave_days` calls so.
--  6. full_leave         the other days on leave. A leave comes before a pension, a job or rights lost: a day on leave is a day
--                        on leave, so that the share on leave adds up to the days on leave, but for the dead and the retired.
--  7. invalidity         from the start of the pension on: a pensioner may work, which does not undo the pension.
--  8. job_loss           from a month-end found without work, not ended by retirement or death, until the next found at work.
--  9. end_of_rights      after a sickness leave that used up the rights, until another leave or a return dated later
--                        (ends_of_rights.sql).
-- 10. sustained_return_to_work   enough days without allowance and evidence of employment (returns.sql), from the first day
--                        on, while work goes on.
-- 11. off_leave          none of these: a short gap, employment unknown, or a return that would not be known yet by the end of
--                        follow-up.
--
-- Reports cross the border for the accompanied alone, so that a crpe is known in one arm and not in the other: it must not
-- tell them apart. `as_compared` is the first state that holds but for crpe, which either arm shows; comparisons read it. Within
-- a crpe, neighbours may differ in it alone.
--
-- What happened before time zero counts as what happens after: it is the state of the day that is asked. Intervals are found
-- by one pass over the days on which something starts or stops, once for each person, whatever the number of its members.
WITH spans AS (
    SELECT person, min(time_zero) AS opens, max(time_zero) + CAST($last_state_day AS INTEGER) AS closes
    FROM members
    GROUP BY person
),
facts AS (
    SELECT person, CAST($follow_up_end AS DATE) AS from_day, DATE '2999-12-31' AS to_day, 'censored' AS fact FROM spans
    UNION ALL
    SELECT person, death_date, DATE '2999-12-31', 'death' FROM persons WHERE death_date IS NOT NULL
    UNION ALL
    SELECT person, retirement_date, DATE '2999-12-31', 'retirement' FROM persons WHERE retirement_date IS NOT NULL
    UNION ALL
    SELECT person, start_date, coalesce(end_date, report_date), 'crpe' FROM report_measures
    WHERE measure = 'retraining_contract' AND status = 'carried_out' AND coalesce(end_date, report_date) >= start_date
    UNION ALL
    SELECT person, from_day, to_day, kind FROM leave_days
    UNION ALL
    SELECT person, invalidity_start, DATE '2999-12-31', 'invalidity' FROM persons WHERE invalidity_start IS NOT NULL
    UNION ALL
    SELECT person, from_day, to_day, 'job_loss' FROM job_losses
    UNION ALL
    SELECT person, from_day, to_day, 'end_of_rights' FROM ends_of_rights
    UNION ALL
    SELECT person, return_day, to_day, 'return' FROM returns
    UNION ALL
    SELECT person, opens, closes, 'followed' FROM spans
),
clipped AS (
    SELECT f.person, greatest(f.from_day, s.opens) AS from_day, least(f.to_day, s.closes) AS to_day, f.fact
    FROM facts AS f
    JOIN spans AS s ON s.person = f.person AND f.from_day <= s.closes AND f.to_day >= s.opens
),
changes AS (
    SELECT
        person,
        day,
        sum(step) FILTER (WHERE fact = 'censored') AS censored,
        sum(step) FILTER (WHERE fact = 'death') AS death,
        sum(step) FILTER (WHERE fact = 'retirement') AS retirement,
        sum(step) FILTER (WHERE fact = 'crpe') AS crpe,
        sum(step) FILTER (WHERE fact = 'part_time') AS part_time,
        sum(step) FILTER (WHERE fact = 'leave') AS on_leave,
        sum(step) FILTER (WHERE fact = 'invalidity') AS invalidity,
        sum(step) FILTER (WHERE fact = 'job_loss') AS job_loss,
        sum(step) FILTER (WHERE fact = 'end_of_rights') AS end_of_rights,
        sum(step) FILTER (WHERE fact = 'return') AS returned
    FROM (
        SELECT person, from_day AS day, fact, 1 AS step FROM clipped
        UNION ALL
        SELECT person, to_day + 1, fact, -1 FROM clipped
    )
    GROUP BY person, day
),
stretches AS (
    -- Each from its day to the next change; the last change is the end of the person's span and begins none.
    SELECT
        person,
        day,
        CASE
            WHEN sum(censored) OVER by_day > 0 THEN 'censored'
            WHEN sum(death) OVER by_day > 0 THEN 'death'
            WHEN sum(retirement) OVER by_day > 0 THEN 'retirement'
            WHEN sum(part_time) OVER by_day > 0 THEN 'part_time_leave'
            WHEN sum(on_leave) OVER by_day > 0 THEN 'full_leave'
            WHEN sum(invalidity) OVER by_day > 0 THEN 'invalidity'
            WHEN sum(job_loss) OVER by_day > 0 THEN 'job_loss'
            WHEN sum(end_of_rights) OVER by_day > 0 THEN 'end_of_rights'
            WHEN sum(returned) OVER by_day > 0 THEN 'sustained_return_to_work'
            ELSE 'off_leave'
        END AS as_compared,
        coalesce(sum(crpe) OVER by_day > 0, false) AS crpe,
        lead(day) OVER by_day IS NULL AS is_end
    FROM changes
    WINDOW by_day AS (PARTITION BY person ORDER BY day)
),
labelled AS (
    SELECT
        person,
        day,
        CASE WHEN crpe AND as_compared NOT IN ('censored', 'death', 'retirement') THEN 'crpe' ELSE as_compared END AS state,
        as_compared
    FROM stretches
    WHERE NOT is_end
),
turns AS (
    SELECT
        *,
        state = lag(state) OVER by_day AND as_compared = lag(as_compared) OVER by_day AS goes_on
    FROM labelled
    WINDOW by_day AS (PARTITION BY person ORDER BY day)
),
periods AS (
    SELECT
        person,
        state,
        as_compared,
        day AS from_day,
        coalesce(lead(day) OVER (PARTITION BY person ORDER BY day) - 1, DATE '2999-12-31') AS to_day
    FROM turns
    WHERE goes_on IS DISTINCT FROM true
)
SELECT
    m.member,
    greatest(0, date_diff('day', m.time_zero, p.from_day)) AS first_day,
    least(CAST($last_state_day AS BIGINT), date_diff('day', m.time_zero, p.to_day)) AS last_day,
    p.state,
    p.as_compared
FROM members AS m
JOIN periods AS p
    ON p.person = m.person AND p.from_day <= m.time_zero + CAST($last_state_day AS INTEGER) AND p.to_day >= m.time_zero
ORDER BY m.member, first_day

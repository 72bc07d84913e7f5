-- A community of a given size, the same every time: `at_random(n, salt)` is a number from 0 to 1 that depends on nothing
-- else. It grew over three years; badges differ in popularity, members in badges, batches in size.
-- In braces: awards, members, batches, managers, and the end of the three years.

CREATE FUNCTION at_random(n bigint, salt int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (hashint8extended(n, salt) & 1125899906842623)::float8 / 1125899906842624 $$;

CREATE FUNCTION moment(part float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT timestamptz '{end}' - 1095 * (1 - part) * interval '1 day' $$;

INSERT INTO activities (name, first_at) SELECT unnest(ARRAY['answers', 'comments', 'posts']), moment(0);
INSERT INTO activity_counts (member_id, activity, amount)
SELECT n, name, 1 + floor(3 * (at_random(n, 10 + length(name)) + 0.001) ^ -0.9)
FROM generate_series(1::bigint, {members}) AS n, activities WHERE at_random(n, 20 + length(name)) < 0.4;
INSERT INTO activity_events (event_id, member_id, activity, amount, at)
SELECT 'event-' || member_id || activity, member_id, activity, amount, moment(at_random(member_id, 13))
FROM activity_counts;

INSERT INTO members (id, external_id, username, username_key, email, email_key, name, status, activity, joined_at, updated_at)
SELECT n, 'ID' || n, p.username || n, p.username_key || n, 'member' || n || '@example.org',
    'member' || n || '@example.org', p.given || ' ' || f.family,
    CASE WHEN at_random(n, 1) < 0.962 THEN 'active' WHEN at_random(n, 1) < 0.988 THEN 'left' ELSE 'suspended' END,
    coalesce(activity, 0), moment((n::float8 / {members}) ^ 0.8), moment((n::float8 / {members}) ^ 0.8)
FROM generate_series(1::bigint, {members}) AS n
JOIN people p ON p.id = 1 + floor(at_random(n, 2) * (SELECT count(*) FROM people))
JOIN people f ON f.id = 1 + floor(at_random(n, 3) * (SELECT count(*) FROM people))
LEFT JOIN (SELECT member_id, sum(amount) AS activity FROM activity_counts GROUP BY member_id) AS sums ON member_id = n
ORDER BY n;

INSERT INTO member_words (word, member_id)
SELECT DISTINCT word, n
FROM generate_series(1::bigint, {members}) AS n
JOIN people p ON p.id = 1 + floor(at_random(n, 2) * (SELECT count(*) FROM people))
JOIN people f ON f.id = 1 + floor(at_random(n, 3) * (SELECT count(*) FROM people))
CROSS JOIN unnest(p.given_words || f.family_words) AS word;

-- Sixty quests of forty badges, from one that most members hold to ones held by one in a thousand.
INSERT INTO badges (id, name, name_key, created_at)
SELECT n, 'Badge ' || n, 'badge ' || n, moment(0) FROM generate_series(1, 40) AS n;
INSERT INTO quests (id, badge_id, name, name_key, position)
SELECT n, CASE WHEN n <= 40 THEN (n + 1) / 2 ELSE n - 20 END, 'Quest ' || n, 'quest ' || n,
    CASE WHEN n <= 40 THEN (n + 1) % 2 ELSE 0 END
FROM generate_series(1, 60) AS n;
CREATE TABLE popularity AS
SELECT id AS quest_id, share, sum(share) OVER (ORDER BY id) / sum(share) OVER () AS until,
    (sum(share) OVER (ORDER BY id) - share) / sum(share) OVER () AS since
FROM (SELECT id, CASE WHEN id > 50 THEN 0.001 ELSE 1.80 * id ^ -0.8 END::float8 AS share FROM quests) AS shares;

INSERT INTO batches (id, name, name_key, quest_id, status, created_at, updated_at, created_by, run_by)
SELECT n, title || ' ' || n, lower(title) || ' ' || n, quest_id, '', moment((n::float8 / {batches}) ^ 0.8),
    moment((n::float8 / {batches}) ^ 0.8) + at_random(n, 21) * interval '1 hour', person, person
FROM (
    SELECT n, 1 + floor(at_random(n, 22) * {managers}) AS person,
        (ARRAY['Spring meetup', 'Course completions', 'Beta testers', 'Translators'])[1 + (n % 4)] AS title
    FROM generate_series(1::bigint, {batches}) AS n
) AS numbers
JOIN popularity ON at_random(n, 23) >= since AND at_random(n, 23) < until
ORDER BY n;
-- Every two hundredth is a draft, every fiftieth has errors. The first of a quest's `place`s are the largest.
CREATE TABLE lots AS
SELECT id AS batch_id, quest_id, id % 200 = 7 AS draft, id % 50 = 9 AS faulty, updated_at AS at,
    row_number() OVER (PARTITION BY quest_id ORDER BY at_random(id, 24)) - 1 AS place,
    count(*) OVER (PARTITION BY quest_id) AS number
FROM batches;

-- Some more awards than needed: the oldest ones are left out.
CREATE UNLOGGED TABLE staged AS
SELECT m.id AS member_id, p.quest_id, at_random(m.id * 64 + p.quest_id, 32) AS way, at_random(m.id * 64 + p.quest_id, 33) AS dice
FROM members m CROSS JOIN popularity p
WHERE at_random(m.id * 64 + p.quest_id, 31) < least(0.95, p.share * (0.25 + 1.5 * at_random(m.id, 34)));
CREATE UNLOGGED TABLE placed AS
SELECT s.member_id, s.quest_id, s.dice, l.batch_id, l.draft, l.faulty,
    CASE WHEN l.batch_id IS NOT NULL THEN 'batch' WHEN way < 0.90 THEN 'api' WHEN way < 0.95 THEN 'rule'
        WHEN way < 0.98 THEN 'profile' WHEN way < 0.99 THEN 'group' ELSE 'import' END AS source,
    coalesce(l.at + dice * interval '5 seconds', moment(dice ^ 0.8)) AS at
FROM staged s
LEFT JOIN (SELECT quest_id, max(number) AS number FROM lots GROUP BY quest_id) AS q ON q.quest_id = s.quest_id AND way < 0.8
LEFT JOIN lots l ON l.quest_id = q.quest_id AND l.place = floor(q.number * dice ^ 1.3);

INSERT INTO awards (member_id, quest_id, batch_id, source, awarded_at, awarded_by, awarded_key, group_id, reason,
    revoked_at, revoked_by, revoke_source, updated_at)
SELECT member_id, quest_id, batch_id, source, at, CASE WHEN source IN ('profile', 'group') THEN person END,
    CASE source WHEN 'api' THEN 1 END,
    CASE source WHEN 'group' THEN 1 + floor((quest_id - 1 + dice) * {groups} / 60) END,
    CASE source WHEN 'profile' THEN 'For a good answer' ELSE '' END,
    revoked_at, CASE WHEN revoked_at IS NOT NULL THEN person END,
    CASE WHEN revoked_at IS NOT NULL THEN 'profile' ELSE '' END, coalesce(revoked_at, at)
FROM (
    SELECT *, 1 + floor(at_random(member_id, 41) * {managers}) AS person,
        CASE WHEN at_random(member_id * 64 + quest_id, 42) < 0.01 THEN at + (timestamptz '{end}' - at) * dice END AS revoked_at
    FROM placed WHERE draft IS NOT TRUE ORDER BY at DESC, member_id, quest_id LIMIT {awards}
) AS newest
ORDER BY at, member_id, quest_id;

INSERT INTO group_awards (id, quest_id, created_at, created_by, awarded, already_held)
SELECT n, 1 + (n - 1) * 60 / {groups}, moment(at_random(n, 51)), 1, 0, 0 FROM generate_series(1, {groups}) AS n;
UPDATE group_awards SET awarded = number
FROM (SELECT group_id, count(*) AS number FROM awards GROUP BY group_id) AS counts WHERE group_id = id;

-- Entries: those that awarded, those of drafts, some who had the badge already, and errors.
INSERT INTO entries (batch_id, member_id, outcome, attempts, decided_at)
SELECT batch_id, member_id, 'awarded', 0, awarded_at FROM awards WHERE batch_id IS NOT NULL ORDER BY id;
INSERT INTO entries (batch_id, member_id, outcome, attempts, decided_at)
SELECT batch_id, member_id, NULL::text, 0, NULL::timestamptz FROM placed WHERE draft
UNION ALL
SELECT l.batch_id, p.member_id, CASE WHEN l.faulty THEN 'left' ELSE 'already_held' END, 0, l.at
FROM placed p JOIN lots l ON l.quest_id = p.quest_id AND NOT l.draft AND l.place = floor(l.number * (2 * dice - floor(2 * dice)))
WHERE p.batch_id IS NULL AND p.dice < 0.1;
UPDATE batches SET entry_count = entries, published = done, already_held = held, errors = bad, run_total = entries,
    run_processed = entries, run_up_to_entry_id = CASE WHEN draft THEN 0 ELSE last END,
    published_at = CASE WHEN draft THEN NULL ELSE updated_at END, run_at = CASE WHEN draft THEN NULL ELSE updated_at END,
    run_by = CASE WHEN draft THEN NULL ELSE run_by END,
    status = CASE WHEN draft THEN 'draft' WHEN bad > 0 THEN 'partially_published' ELSE 'published' END
FROM lots LEFT JOIN (
    SELECT batch_id, count(*) AS entries, count(*) FILTER (WHERE outcome IN ('awarded', 'already_held')) AS done,
        count(*) FILTER (WHERE outcome = 'already_held') AS held, count(*) FILTER (WHERE outcome = 'left') AS bad,
        max(id) AS last
    FROM entries GROUP BY batch_id
) AS counts USING (batch_id)
WHERE id = batch_id AND entries IS NOT NULL;
UPDATE batches SET status = 'draft', run_by = NULL WHERE status = '';

UPDATE quests SET holders = number
FROM (SELECT quest_id, count(*) AS number FROM awards WHERE revoked_at IS NULL GROUP BY quest_id) AS counts
WHERE quest_id = quests.id;
UPDATE badges SET holders = number
FROM (
    SELECT badge_id, count(DISTINCT member_id) AS number FROM awards JOIN quests ON quests.id = quest_id
    WHERE revoked_at IS NULL GROUP BY badge_id
) AS counts
WHERE badge_id = badges.id;

-- One entry in the audit log per action, one event per award of the last 90 days.
INSERT INTO audit_events (at, actor, staff_id, key_id, address, origin, verb, subject_kind, subject_id, detail)
SELECT at, actor, staff_id, key_id, '192.0.2.' || coalesce(staff_id, 1), origin, verb, kind, subject_id, detail::json
FROM (
    SELECT created_at AS at, 'Manager ' || created_by AS actor, created_by AS staff_id, NULL::bigint AS key_id,
        'console' AS origin, 'batch.created' AS verb, 'batch' AS kind, id AS subject_id, '{{}}' AS detail
    FROM batches
    UNION ALL
    SELECT published_at, 'Manager ' || run_by, run_by, NULL, 'console', 'batch.published', 'batch', id,
        '{{"members": ' || entry_count || '}}'
    FROM batches WHERE published_at IS NOT NULL
    UNION ALL
    SELECT awarded_at, CASE source WHEN 'api' THEN 'API key' ELSE 'Manager ' || awarded_by END, awarded_by, awarded_key,
        CASE source WHEN 'api' THEN 'api' ELSE 'console' END, 'award.made', 'member', member_id,
        '{{"quest": ' || quest_id || '}}'
    FROM awards WHERE source IN ('api', 'profile')
    UNION ALL
    SELECT revoked_at, 'Manager ' || revoked_by, revoked_by, NULL, 'console', 'award.revoked', 'member', member_id,
        '{{"quest": ' || quest_id || '}}'
    FROM awards WHERE revoked_at IS NOT NULL
) AS actions
ORDER BY at, verb, subject_id;

INSERT INTO events (position, kind, subject_ids, number, at)
SELECT row_number() OVER (ORDER BY at, kind, first), kind, ids, number, at
FROM (
    SELECT 'award.created' AS kind, max(awarded_at) AS at, json_agg(id ORDER BY id) AS ids, count(*) AS number, min(id) AS first
    FROM (
        SELECT id, awarded_at, coalesce(batch_id, -id) AS lot, row_number() OVER (PARTITION BY coalesce(batch_id, -id) ORDER BY id) AS place
        FROM awards WHERE awarded_at > timestamptz '{end}' - interval '89 days'
    ) AS recent
    GROUP BY lot, (place - 1) / 1000
    UNION ALL
    SELECT 'award.revoked', revoked_at, json_build_array(id), 1, id
    FROM awards WHERE revoked_at > timestamptz '{end}' - interval '89 days'
) AS found
ORDER BY at, kind, first;
INSERT INTO event_feed (id, epoch, last_position, deleted_position) SELECT 1, 1, count(*), 0 FROM events;

-- Deliveries are deleted after two weeks.
INSERT INTO deliveries (endpoint_id, kind, subject_id, at, state, attempts, next_at, sent_at, response_status)
SELECT 1, 'award.created', id, awarded_at, 'delivered', 1, awarded_at, awarded_at + interval '1 second', 204
FROM awards WHERE awarded_at > timestamptz '{end}' - interval '14 days' ORDER BY id;

SELECT setval('members_id_seq', {members}), setval('badges_id_seq', 40), setval('quests_id_seq', 60),
    setval('batches_id_seq', {batches}), setval('group_awards_id_seq', {groups});
DROP TABLE placed, staged, lots, popularity, people;
DROP FUNCTION moment, at_random;

"""The questions `verify` asks of the tables: each finds rows that contradict others.

Every statement answers one line of text a difference, the earliest first, up to `%(most)s`.
Amounts in lines are whole units (12.5), as people read them.
"""

from typing import Final

NUMBERING: Final = """
SELECT CASE
    WHEN id <> previous + 1 THEN format('journal %%s is missing', previous + 1)
    WHEN first_entry <> next_entry
        THEN format('journal %%s begins at entry %%s, expected %%s', id, first_entry, next_entry)
    WHEN recorded_us < earlier
        THEN format('journal %%s was recorded before journal %%s', id, id - 1)
    ELSE format('journal %%s has batch %%s after batch %%s', id, batch, earlier_batch)
END
FROM (
    SELECT id, first_entry, recorded_us, batch, lag(id, 1, 0::bigint) OVER w AS previous,
           lag(first_entry + entry_count, 1, 1::bigint) OVER w AS next_entry,
           lag(recorded_us, 1, 0::bigint) OVER w AS earlier,
           lag(batch, 1, 0::bigint) OVER w AS earlier_batch
    FROM journals WINDOW w AS (ORDER BY id)
) j
WHERE id <> previous + 1 OR first_entry <> next_entry OR recorded_us < earlier
   OR batch < earlier_batch
ORDER BY id LIMIT %(most)s
"""
MEMBERSHIP: Final = """
SELECT CASE
    WHEN j.id IS NULL THEN format('entry %%s names journal %%s, which is not there',
                                  e.id, e.journal_id)
    WHEN e.id NOT BETWEEN j.first_entry AND j.first_entry + j.entry_count - 1
        THEN format('entry %%s is not among the entries of journal %%s', e.id, j.id)
    ELSE format('entry %%s was recorded at another time than its journal %%s', e.id, j.id)
END
FROM entries e LEFT JOIN journals j ON j.id = e.journal_id
WHERE j.id IS NULL OR e.recorded_us <> j.recorded_us
   OR e.id NOT BETWEEN j.first_entry AND j.first_entry + j.entry_count - 1
ORDER BY e.id LIMIT %(most)s
"""
COUNTS: Final = """
SELECT format('journal %%s has %%s entries, expected %%s', j.id, COALESCE(e.found, 0),
              j.entry_count)
FROM journals j
LEFT JOIN (SELECT journal_id, count(*) AS found FROM entries GROUP BY journal_id) e
    ON e.journal_id = j.id
WHERE COALESCE(e.found, 0) <> j.entry_count
ORDER BY j.id LIMIT %(most)s
"""
ZERO_SUMS: Final = """
SELECT format('journal %%s: its %%s entries sum to %%s', journal_id, asset,
              trim_scale(sum(amount) * 0.00000001))
FROM entries GROUP BY journal_id, asset HAVING sum(amount) <> 0
ORDER BY journal_id LIMIT %(most)s
"""
OWNERSHIP: Final = """
SELECT CASE
    WHEN a.id IS NULL THEN format('entry %%s names account %%s, which is not there',
                                  e.id, e.account_id)
    ELSE format('entry %%s is in %%s on account %%s of %%s', e.id, e.asset, a.number, a.asset)
END
FROM entries e LEFT JOIN accounts a ON a.id = e.account_id
WHERE a.id IS NULL OR a.asset <> e.asset
ORDER BY e.id LIMIT %(most)s
"""
# A difference is found where it begins: each entry is compared with the one before it.
SEQUENCES: Final = """
SELECT CASE
    WHEN e.sequence <> e.previous + 1
        THEN format('account %%s: entry %%s has sequence %%s after %%s',
                    COALESCE(a.number, e.account_id::text), e.id, e.sequence, e.previous)
    WHEN e.recorded_us < e.earlier
        THEN format('account %%s: entry %%s was recorded before the one it follows',
                    COALESCE(a.number, e.account_id::text), e.id)
    ELSE format('account %%s: entry %%s leaves %%s, expected %%s',
                COALESCE(a.number, e.account_id::text), e.id,
                trim_scale(e.balance_after * 0.00000001),
                trim_scale((e.before + e.amount) * 0.00000001))
END
FROM (
    SELECT id, account_id, sequence, amount, balance_after, recorded_us,
           lag(sequence, 1, 0::bigint) OVER w AS previous,
           lag(balance_after, 1, 0::numeric) OVER w AS before,
           lag(recorded_us, 1, 0::bigint) OVER w AS earlier
    FROM entries WINDOW w AS (PARTITION BY account_id ORDER BY sequence, id)
) e LEFT JOIN accounts a ON a.id = e.account_id
WHERE e.sequence <> e.previous + 1 OR e.balance_after <> e.before + e.amount
   OR e.recorded_us < e.earlier
ORDER BY e.id LIMIT %(most)s
"""
BALANCES: Final = """
SELECT CASE
    WHEN account_id IS NULL THEN format('account %%s has no balance', number)
    WHEN number IS NULL THEN format('balance %%s has no account', account_id)
    WHEN debits_posted <> debits THEN
        format('account %%s: %%s debited, entries say %%s', number,
               trim_scale(debits_posted * 0.00000001), trim_scale(debits * 0.00000001))
    WHEN credits_posted <> credits THEN
        format('account %%s: %%s credited, entries say %%s', number,
               trim_scale(credits_posted * 0.00000001), trim_scale(credits * 0.00000001))
    WHEN sequence <> found THEN
        format('account %%s: sequence %%s, but %%s entries', number, sequence, found)
    ELSE format('account %%s: last moved at %%s, entries say %%s', number, last_us, newest)
END
FROM (
    SELECT a.number, b.account_id, b.debits_posted, b.credits_posted, b.sequence, b.last_us,
           COALESCE(e.debits, 0) AS debits, COALESCE(e.credits, 0) AS credits,
           COALESCE(e.found, 0) AS found, COALESCE(e.newest, 0) AS newest,
           COALESCE(a.id, b.account_id) AS id
    FROM accounts a FULL JOIN balances b ON b.account_id = a.id
    LEFT JOIN (
        SELECT account_id, -COALESCE(sum(amount) FILTER (WHERE amount < 0), 0) AS debits,
               COALESCE(sum(amount) FILTER (WHERE amount > 0), 0) AS credits,
               count(*) AS found, max(recorded_us) AS newest
        FROM entries GROUP BY account_id
    ) e ON e.account_id = b.account_id
) x
WHERE account_id IS NULL OR number IS NULL OR debits_posted <> debits
   OR credits_posted <> credits OR sequence <> found OR last_us <> newest
ORDER BY id LIMIT %(most)s
"""
OVERDRAFTS: Final = """
SELECT CASE
    WHEN b.may_overdraw <> (a.owner_id = 0)
        THEN format('account %%s: may be overdrawn: %%s', a.number, b.may_overdraw)
    ELSE format('account %%s is overdrawn: %%s available', a.number,
                trim_scale((b.credits_posted - b.debits_posted - b.debits_pending) * 0.00000001))
END
FROM accounts a JOIN balances b ON b.account_id = a.id
WHERE b.may_overdraw <> (a.owner_id = 0)
   OR (a.owner_id <> 0 AND b.credits_posted - b.debits_posted - b.debits_pending < 0)
ORDER BY a.id LIMIT %(most)s
"""
PENDING: Final = """
SELECT CASE
    WHEN b.account_id IS NULL
        THEN format('holds of account %%s, which has no balance', h.account_id)
    WHEN b.credits_pending <> 0
        THEN format('account %%s: credits pending, which nothing here makes', b.account_id)
    ELSE format('account %%s: %%s held, holds say %%s', a.number,
                trim_scale(b.debits_pending * 0.00000001),
                trim_scale(COALESCE(h.held, 0) * 0.00000001))
END
FROM balances b LEFT JOIN accounts a ON a.id = b.account_id
FULL JOIN (
    SELECT account_id, COALESCE(sum(amount) FILTER (WHERE state = 'placed'), 0) AS held
    FROM holds GROUP BY account_id
) h ON h.account_id = b.account_id
WHERE b.account_id IS NULL OR b.credits_pending <> 0
   OR b.debits_pending <> COALESCE(h.held, 0)
ORDER BY COALESCE(b.account_id, h.account_id) LIMIT %(most)s
"""
HOLDS: Final = """
SELECT CASE
    WHEN placer IS NULL THEN format('hold %%s was placed by no journal', id)
    WHEN state = 'placed' THEN format('hold %%s is open, but closed by journal %%s', id, closed_by)
    WHEN closer IS NULL
        THEN format('hold %%s is %%s by journal %%s, which is not there', id, state, closed_by)
    WHEN closer <= id THEN format('hold %%s is %%s by the earlier journal %%s', id, state, closer)
    WHEN closings > 1 THEN format('hold %%s: journal %%s closes %%s holds', id, closer, closings)
    ELSE format('hold %%s is %%s by journal %%s of %%s entries', id, state, closer, entry_count)
END
FROM (
    SELECT h.id, h.state, h.closed_by, p.id AS placer, c.id AS closer, c.entry_count,
           count(*) FILTER (WHERE h.state <> 'placed') OVER (PARTITION BY h.closed_by) AS closings
    FROM holds h LEFT JOIN journals p ON p.id = h.id LEFT JOIN journals c ON c.id = h.closed_by
) h
WHERE placer IS NULL OR (state = 'placed') <> (closed_by = 0) OR (state <> 'placed' AND (
    closer IS NULL OR closer <= id OR closings > 1 OR (state = 'posted') <> (entry_count > 0)))
ORDER BY id LIMIT %(most)s
"""
# `details` is domain.payments.Payment as JSON; its account is the members of an AccountKey. What
# is under review is held for until a person decides.
PAYMENTS: Final = """
WITH p AS (
    SELECT ref, state, is_open,
           (details ->> 'held')::numeric AS held, (details ->> 'hold_id')::bigint AS hold_id,
           COALESCE(NULLIF(details -> 'held_on', 'null'), details -> 'account') AS account
    FROM (
        SELECT ref, state, convert_from(details, 'UTF8')::jsonb AS details, state IN
            ('sending', 'pending', 'waiting', 'unknown', 'under_review') AS is_open
        FROM payments
    ) p
)
SELECT line FROM (
    SELECT p.hold_id AS id, CASE
        WHEN h.id IS NULL THEN format('payment %%s: its hold %%s is not there', ref, hold_id)
        WHEN h.amount <> held THEN
            format('payment %%s: its hold %%s is of %%s, expected %%s', ref, h.id,
                   trim_scale(h.amount * 0.00000001), trim_scale(held * 0.00000001))
        WHEN (h.state = 'placed') <> is_open
            THEN format('payment %%s is %%s, but its hold %%s is %%s', ref, p.state, h.id, h.state)
        ELSE format('payment %%s: its hold %%s is on another account', ref, h.id)
    END AS line
    FROM p LEFT JOIN holds h ON h.id = p.hold_id LEFT JOIN accounts a ON a.id = h.account_id
    WHERE held > 0 AND (h.id IS NULL OR h.amount <> held OR (h.state = 'placed') <> is_open
        OR account IS DISTINCT FROM
            jsonb_build_array(a.owner_id, a.asset, a.purpose, a.chain, a.provider, a.mode))
    UNION ALL
    SELECT h.id, format('hold %%s is open for payment %%s, which has another', h.id, j.ref)
    FROM holds h JOIN journals j ON j.id = h.id JOIN p ON p.ref = j.ref
    WHERE h.state = 'placed' AND h.id <> p.hold_id
) x
ORDER BY id LIMIT %(most)s
"""
# A completed funding is one journal of its reference that credits its person's NGN wallet with its
# amount; no other state has one, and no such journal lacks its funding.
FUNDINGS: Final = """
SELECT format('funding %%s: %%s', ref, CASE
    WHEN amount IS NULL THEN 'journal ' || journal || ' funds nothing that is known'
    WHEN credits = 0 THEN 'completed, but no journal credits it'
    WHEN credits > 1 THEN 'credited ' || credits || ' times'
    WHEN state <> 'completed' THEN 'is ' || state || ', but journal ' || journal || ' credits it'
    ELSE 'journal ' || journal || ' credits ' || credited || ' units, expected ' || amount END)
FROM (
    SELECT coalesce(f.reference, j.ref) AS ref, f.amount, f.state, count(j.id) AS credits,
           max(j.id) AS journal, coalesce(sum(e.amount), 0) AS credited
    FROM fundings f
    FULL JOIN (SELECT id, ref FROM journals WHERE kind = 'WALLET_FUNDING') j
        ON j.ref = f.reference
    LEFT JOIN (
        SELECT e.journal_id, a.owner_id, e.amount FROM entries e JOIN accounts a
        ON a.id = e.account_id WHERE a.asset = 'NGN' AND a.purpose = 'WALLET'
    ) e ON e.journal_id = j.id AND e.owner_id = f.user_id
    GROUP BY coalesce(f.reference, j.ref), f.amount, f.state
) x
WHERE (coalesce(state, '') = 'completed') <> (credits = 1)
   OR (credits = 1 AND credited IS DISTINCT FROM amount)
ORDER BY ref LIMIT %(most)s
"""
EVENTS: Final = """
SELECT format('event %%s: %%s', id, CASE
    WHEN count(*) > 1 THEN 'its number is used twice' ELSE 'beyond the last one given out' END)
FROM events GROUP BY id
HAVING count(*) > 1 OR id > (SELECT max(last_event) FROM writer)
ORDER BY id LIMIT %(most)s
"""
WRITER: Final = """
SELECT format('writer: %%s is %%s, expected %%s', name, said, found)
FROM writer w
CROSS JOIN (
    SELECT COALESCE(max(id), 0) AS id, COALESCE(max(batch), 0) AS batch,
           COALESCE(max(recorded_us), 0) AS us, GREATEST(max(receipt), 100000) AS receipt,
           (SELECT COALESCE(max(id), 0) FROM entries) AS entry,
           (SELECT hash FROM journals ORDER BY id DESC LIMIT 1) AS hash
    FROM journals
) j
CROSS JOIN LATERAL (VALUES
    ('last_journal', w.last_journal::text, j.id::text),
    ('last_entry', w.last_entry::text, j.entry::text),
    ('last_receipt', w.last_receipt::text, j.receipt::text),
    ('last_us', w.last_us::text, j.us::text),
    ('batch', w.batch::text, j.batch::text),
    ('last_hash', encode(w.last_hash, 'hex'),
        COALESCE(encode(j.hash, 'hex'), repeat('00', 32)))
) AS x (name, said, found)
WHERE said <> found
UNION ALL SELECT format('writer: %%s rows, expected 1', count(*)) FROM writer HAVING count(*) <> 1
LIMIT %(most)s
"""
TOTALS: Final = """
SELECT a.asset, COALESCE(sum(b.credits_posted - b.debits_posted), 0)::text
FROM accounts a JOIN balances b ON b.account_id = a.id GROUP BY a.asset ORDER BY a.asset
"""
# The text that was hashed, journal by journal (domain.hashchain.link).
CHAIN: Final = """
DECLARE chain NO SCROLL CURSOR FOR
SELECT j.id, j.kind, j.receipt, j.initiator, j.ref, j.description, j.fees, j.quote_id,
       j.occurred_us, j.recorded_us, j.first_entry, j.entry_count, j.hash,
       p.account_id, p.amount::text, c.id, c.state
FROM journals j LEFT JOIN holds p ON p.id = j.id
LEFT JOIN holds c ON c.closed_by = j.id AND c.closed_by <> 0
ORDER BY j.id
"""
# Few enough that the server's other tasks wait some milliseconds at most.
FETCH_CHAIN: Final = "FETCH FORWARD 500 FROM chain"
CLOSE_CHAIN: Final = "CLOSE chain"
CHAIN_ENTRIES: Final = """
SELECT id, journal_id, account_id, asset, sequence, amount::text, balance_after::text,
       description, recorded_us
FROM entries WHERE id BETWEEN %(first)s AND %(last)s ORDER BY id
"""

'use strict';
/* seeds: a number -> a relay: its data, its limits, and its bad habits.  The same number gives the same relay for ever, so a seed
 * that once failed can be replayed: change what a seed means only with good reason.
 *
 * The mix follows the model of the walk (caps, orders, dense seconds, far-future events, hidden kinds, ignored `until`); on top of
 * it come none to two habits of the catalogue of misbehaviour.  A relay that hides kinds also sends AUTH: without any sign no
 * client can tell, which the protocol notes admit, so it would be no fair test.
 *
 * `whole` says that nothing keeps a patient client from getting everything, `tame` that it can know that, too: such a relay must end
 * complete, all of it proven.  What excuses a seed, and why PROTOCOL 2.2 promises no more:
 *   - an empty relay cannot be told from one that refuses, nor a page of one event from a limit of one (EMPTY_OR_SCRAPER_BLOCKED,
 *     dense): neither;
 *   - orders other than newest-first, hidden kinds, an ignored `until`: bisected, P1k or H by luck, UNPAGEABLE: neither;
 *   - the habits with `false`: the relay withholds, breaks off, or leaves in doubt what it has said: neither;
 *   - a second that fills a page is split by kinds, and nobody knows that these are all: whole, but not tame; not even that where
 *     one kind alone may fill the page;
 *   - pages of fewer than 20 with invalid events (a page of nothing else is UNPAGEABLE there) or without `since` (the check of the
 *     first page rests on it, and so few events are in order by luck): whole, but not tame. */
const { Random } = require('./random.js');

const KINDS = [1, 7, 0, 3, 6, 5, 30023, 10002, 1984, 9735, 16, 40, 42, 1063, 1111, 8, 30000, 10000, 30078, 9734, 1311, 30311, 31990,
    1985, 30008, 30009, 9802, 10003, 30402, 1018, 1068, 2003, 20, 21, 22, 39701, 30617, 1617, 1621, 31922];
const RESTRICTED = [4, 1059, 13, 1060];

/* name, tame, profile(random, cap) */
const HABITS = [
    ['empty_filter_nothing', true, () => ({ empty_filter_nothing: true })],
    ['scraper', false, () => ({ scraper: true })],
    ['eose_only', false, () => ({ eose_only: true })],
    ['eose_never', false, () => ({ eose: 'never' })],
    ['eose_sometimes', false, (r) => ({ eose: 'never', eose_p: 0.05 + r.unit() * 0.2 })],
    ['eose_no_sub', false, () => ({ eose: 'no_sub' })],
    ['eose_object', true, () => ({ eose: 'object' })],
    ['eose_hints', true, () => ({ eose: 'hints' })],
    ['eose_twice', true, () => ({ eose: 'twice' })],
    ['after_eose', false, (r) => ({ after_eose: 1 + r.below(5) })],
    ['ignores_limit', true, (r) => ({ ignores_limit: true, excess: 2 + r.below(3) })],
    ['ignores_since', true, () => ({ ignores_since: true })],
    ['until_le0_ignored', true, () => ({ until_le0_ignored: true })],
    ['oldest_without_limit', true, () => ({ oldest_without_limit: true })],
    ['ties_arrival', true, (r) => ({ ties: r.pick(['arrival', 'arrival_desc']) })],
    ['duplicates', true, (r) => ({ duplicates: 0.05 + r.unit() * 0.3 })],
    ['outside', true, (r) => ({ outside: 0.02 + r.unit() * 0.1 })],
    ['wrong_sub', true, (r) => ({ wrong_sub: 0.02 + r.unit() * 0.1 })],
    ['after_close', true, (r) => ({ after_close: 1 + r.below(10) })],
    ['closed_on_close', true, () => ({ closed_on_close: true })],
    ['invalid_sig', true, (r) => ({ invalid_sig: 0.01 + r.unit() * 0.05 })],
    ['invalid_id', true, (r) => ({ invalid_id: 0.01 + r.unit() * 0.05 })],
    ['invalid_many', false, () => ({ invalid_sig: 1 })],
    ['refuse_closed', false, (r) => ({ refuse: { every: 3 + r.below(5), via: 'closed' } })],
    ['refuse_notice', false, (r) => ({ refuse: { every: 3 + r.below(5), via: 'notice', text: 'ERROR: bad req: could not parse filter' } })],
    ['rate_limit', true, (r) => ({ rate_limit: { per_second: 5, burst: 5, via: r.pick(['closed', 'notice']) } })],
    ['max_subs', true, (r) => ({ max_subs: 1 + r.below(3), max_subs_via: r.pick(['closed', 'notice']) })],
    ['nip77', true, (r) => ({ nip77: r.pick(['notice', 'silent', 'closed']) })],
    ['auth_required', false, () => ({ auth: 'required' })],
    ['auth_sent', true, () => ({ sends_auth: true })],
    ['garbage', true, (r) => ({ garbage: 1 + r.below(3) })],
    ['binary', true, (r) => ({ binary: 1 + r.below(3) })],
    ['pings', true, (r) => ({ ping_flood: 1 + r.below(5) })],
    ['ping_flood', false, () => ({ ping_flood: 2000 })],
    ['depth_bomb', true, () => ({ depth_bomb: 5000 })],
    ['fragment', true, (r) => ({ fragment: 2 + r.below(5) })],
    ['bad_utf8', false, () => ({ bad_utf8: true })],
    ['huge', false, () => ({ huge: { bytes: 3 << 20 } })],
    ['cut_once', true, (r) => ({ cut: { after: 1 + r.below(200), how: r.pick(['reset', 'close', 'half', 'stall']), times: 1 } })],
    ['cut_always', false, (r) => ({ cut: { after: 1 + r.below(400), how: r.pick(['reset', 'close', 'half', 'stall']) } })],
    ['flaky', false, (r) => ({ fail: { p: 0.3 + r.unit() * 0.4 } })],
    ['fail_first', true, () => ({ fail: { first: 2 } })],
    ['upgrade_301', false, () => ({ upgrade: { status: '301 Moved', headers: { Location: 'https://127.0.0.1/' } } })],
    ['upgrade_502', false, () => ({ upgrade: { status: '502 Bad Gateway', body: 'nothing behind' } })],
    ['upgrade_bad', false, (r) => ({ upgrade: r.pick(['silent', 'reset', 'wrong_accept', 'endless']) })],
    ['slow_reply', true, () => ({ reply_delay_ms: 30 })],
    ['drip', false, () => ({ drip: { bytes: 700, ms: 10 } })],
    ['down', false, () => ({ down: true })],
];

function dataOf(random, seed, cap) {
    const nk = random.pick([1, 3, 7, 40]);
    const n = random.pick([0, 1, 30, 150, 400, 400, 1000]);
    const times = n >= 150 ? random.pick(['bursty', 'uniform', 'dense', 'future']) : 'uniform';
    const first = random.below(KINDS.length);
    const kinds = Array.from({ length: nk }, (_, i) => KINDS[(first + i) % KINDS.length]);
    const mint = { n, seed, times, authors: 1 + random.below(10), content: '10-120', tags: 2, exotic: random.pick([0, 0, 0.1]) };
    if (times === 'dense') {
        mint.dense = Math.min(n >> 1, Math.max(2, Math.round(cap * (0.5 + 2 * random.unit()))));
        mint['dense-seconds'] = random.pick([1, 1, 3]);
    }
    return { mint, kinds };
}

/* The profile of a seed, but for its number `n`.  Also `habits`, `tame`, `whole` and `seed` for the record. */
function profileOf(seed) {
    const random = new Random(seed);
    const cap = random.pick([7, 20, 50, 100, 300, 500, 5000]);
    const { mint, kinds } = dataOf(random, seed, cap);
    const orders = ['oldest', 'random', 'shuffled', ...new Array(12).fill('newest')];
    const order = random.pick(orders);
    const profile = { seed, cap, order, habits: [], tame: order === 'newest' && mint.n >= 30 };
    const hidden = random.pick([0, 0, 0, 0, 0, 0, 1, 2]);
    if (hidden > 0) {
        profile.hidden_kinds = RESTRICTED.slice(0, 2).slice(0, hidden);
        profile.hides = 'after_limit';
        profile.sends_auth = true;
        profile.tame = false; /* spans that stay unproven are right */
        kinds.push(...profile.hidden_kinds);
        if (random.unit() < 0.5) {
            mint['run-kind'] = profile.hidden_kinds[0];
            mint['run-n'] = random.pick([cap >> 1, 2 * cap, 5 * cap]);
        }
    }
    if (random.unit() < 0.05) {
        profile.ignores_until = true;
        profile.tame = false;
    }
    for (let k = random.pick([0, 0, 1, 1, 1, 2]); k > 0; k--) {
        const [name, tame, make] = random.pick(HABITS);
        Object.assign(profile, make(random, cap));
        profile.habits.push(name);
        profile.tame = profile.tame && tame;
    }
    profile.whole = profile.tame;
    if (mint.times === 'dense' && mint.dense >= Math.min(cap, 500)) { /* we ask for 500 */
        profile.tame = false;
        profile.whole = profile.whole && kinds.length >= 7; /* at most 2.5 pages: no kind fills one */
    }
    if (profile.ignores_since && profile.ignores_limit)
        profile.tame = false; /* one page of all looks as one that begins with the oldest */
    if (profile.outside && mint.times === 'dense')
        profile.tame = false; /* with two seconds in all, what is outside looks as if `since` were ignored */
    if (cap < 20 && (profile.invalid_id || profile.invalid_sig || profile.ignores_since))
        profile.tame = false;
    profile.data = [{ mint: { ...mint, kinds: kinds.join(',') } }];
    return profile;
}

module.exports = { profileOf, HABITS };
